"""People who ask for stock and people who decide on it, as clients."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec

from domain.access.model import Permission, Scope
from domain.values import new_id
from tests.e2e.ledger_writes.site import Api, Site

PATH = "/api/stock-requests"
READ, WRITE, APPROVE = (
    Permission.STOCKREQUESTS_READ,
    Permission.STOCKREQUESTS_WRITE,
    Permission.STOCKREQUESTS_APPROVE,
)
ALL = (READ, WRITE, APPROVE)


class Person:
    """Somebody with rights and roles, at some locations or everywhere."""

    def __init__(self, http: httpx.AsyncClient, id_: UUID) -> None:
        self.http = http
        self.id = id_

    async def tries(self, step: str, request: Any, **body: Any) -> httpx.Response:
        return await self.http.post(f"{PATH}/{request['id']}/{step}", json=body)

    async def does(self, step: str, request: Any, *, status: int = 200, **body: Any) -> Any:
        answer = await self.tries(step, request, **body)
        assert answer.status_code == status, answer.text
        return answer.json()["data"]

    async def approves(self, request: Any, **body: Any) -> Any:
        return await self.does("approve", request, expectedVersion=request["version"], **body)

    async def moves(self, action: str, request: Any, **body: Any) -> Any:
        return await self.does("status", request, action=action, **body)

    async def sees(self, request: Any) -> Any:
        answer = await self.http.get(f"{PATH}/{request['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def may(self, request: Any) -> set[str]:
        return set((await self.sees(request))["allowedActions"])


class Office:
    """A site whose store asks its warehouse for stock."""

    def __init__(self, api: Api, site: Site) -> None:
        self.api = api
        self.site = site

    @classmethod
    async def open(cls, api: Api, site: Site) -> "Office":
        office = cls(api, site)
        await site.admin.execute(
            "UPDATE locations SET capabilities = '{APPROVES_REQUESTS,PICKS,RECEIVES,SHIPS}' WHERE tenant_id = $1",
            site.tenant_id,
        )
        office.asker = await office.person(READ, WRITE)
        office.boss = await office.person(*ALL, role="supervisor")
        office.hand = await office.person(READ, WRITE, role="operator")
        return office

    asker: Person
    """Who asks."""
    boss: Person
    """Who decides."""
    hand: Person
    """Who fulfils."""

    async def person(self, *permissions: Permission, role: str | None = None, at: str | None = None) -> Person:
        id_ = new_id()
        location_id = None if at is None else self.site.ids[at]
        scope: Scope = None if location_id is None else frozenset({location_id})
        await self.site.admin.execute(
            "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, 'Somebody', 'x')",
            id_,
            f"{id_.hex}@example.com",
        )
        await self.row("memberships", user_id=id_)
        if role is not None:
            await self.row("grants", id=new_id(), user_id=id_, role=role, location_id=location_id)
        caller = msgspec.structs.replace(
            self.site.caller(permissions, scope), principal_id=id_, user_id=id_, actor=f"Somebody {id_.hex[-4:]}"
        )
        return Person(self.api.client(caller), id_)

    async def key(self, *permissions: Permission, makers: Iterable[UUID] = ()) -> Person:
        id_ = new_id()
        caller = msgspec.structs.replace(
            self.site.caller(permissions), principal_id=id_, key_id=id_, makers=frozenset(makers), actor="A key"
        )
        return Person(self.api.client(caller), id_)

    async def delegate(self, giver: Person, taker: Person, *, days: int = 1) -> None:
        now = await self.site.admin.fetchval("SELECT clock_timestamp()")
        await self.row(
            "delegations",
            id=new_id(),
            from_user_id=giver.id,
            to_user_id=taker.id,
            permissions=[APPROVE],
            starts_at=now - timedelta(days=1),
            ends_at=now + timedelta(days=days),
        )

    async def row(self, table: str, **values: object) -> None:
        row = {"tenant_id": self.site.tenant_id, **values}
        marks = ", ".join(f"${n + 1}" for n in range(len(row)))
        await self.site.admin.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())

    async def rules(self, *rules: dict[str, Any]) -> None:
        admin = self.api.client(self.site.caller([Permission.ADMIN_SETTINGS]))
        answer = await admin.put(f"{PATH}/approval-rules", json={"rules": list(rules)})
        assert answer.status_code == 200, answer.text

    def line(self, sku: str, quantity: Decimal | float) -> dict[str, Any]:
        return {"productMasterId": str(self.site.ids[sku]), "quantity": quantity}

    async def asks(self, *wanted: tuple[str, float], by: Person | None = None, **more: Any) -> httpx.Response:
        body = {
            "originLocationId": str(self.site.ids["DC"]),
            "destinationLocationId": str(self.site.ids["STORE"]),
            "lines": [self.line(*one) for one in wanted],
        }
        return await (by or self.asker).http.post(PATH, json=body | more)

    async def draft(self, *wanted: tuple[str, float], **more: Any) -> Any:
        answer = await self.asks(*(wanted or (("BOLT", 5),)), **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def pending(self, *wanted: tuple[str, float], by: Person | None = None, **more: Any) -> Any:
        request = await self.draft(*wanted, by=by, **more)
        return await (by or self.asker).does("submit", request)

    async def approved(self, *wanted: tuple[str, float]) -> Any:
        return await self.boss.approves(await self.pending(*wanted))

    async def issued(self, *wanted: tuple[str, float]) -> Any:
        picked = await self.hand.moves("pick", await self.approved(*wanted))
        return await self.hand.moves("issue", picked)

    async def in_state(self, state: str) -> Any:
        """A request of five bolts in a state, of the same people."""
        make = {
            "DRAFT": self.draft,
            "PENDING_APPROVAL": self.pending,
            "APPROVED": lambda: self.approved(("BOLT", 5)),
            "REJECTED": self._rejected,
            "PICKING": self._picking,
            "ISSUED": lambda: self.issued(("BOLT", 5)),
            "RECEIVED": self._received,
            "CANCELED": self._canceled,
        }
        return await make[state]()

    async def _rejected(self) -> Any:
        return await self.boss.does("reject", await self.pending(), comment="No")

    async def _picking(self) -> Any:
        return await self.hand.moves("pick", await self.approved(("BOLT", 5)))

    async def _received(self) -> Any:
        return await self.asker.moves("receive", await self.issued(("BOLT", 5)))

    async def _canceled(self) -> Any:
        return await self.asker.moves("cancel", await self.draft())

    async def reserved(self, sku: str = "BOLT") -> Any:
        """What is claimed of a product at the warehouse."""
        found: Decimal | None = await self.site.admin.fetchval(
            "SELECT sum(reserved) FROM stock_lines WHERE tenant_id = $1 AND product_id = $2 AND location_id = $3",
            self.site.tenant_id,
            self.site.ids[sku],
            self.site.ids["DC"],
        )
        return found or Decimal(0)

    async def odd_lines(self) -> list[Any]:
        """Lines whose reserved quantity is not what their request's claims say: there must be none."""
        return await self.site.admin.fetch(
            """
            SELECT l.request_id, l.reserved, c.claimed FROM stock_request_lines l
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(r.open_quantity), 0) AS claimed FROM reservations r
                WHERE r.tenant_id = l.tenant_id AND r.document_id = l.request_id AND r.product_id = l.product_id
                    AND r.state = 'LIVE'
            ) c
            WHERE l.tenant_id = $1 AND l.reserved <> c.claimed AND l.requested <> l.canceled
            """,
            self.site.tenant_id,
        )


def quantities(request: Any) -> dict[str, dict[str, float]]:
    """What the lines say, without what is zero, by SKU."""
    names = (
        "requested",
        "approved",
        "reserved",
        "backordered",
        "picked",
        "issued",
        "received",
        "open",
        "canceled",
    )
    return {
        line["globalSku"]: {name: line[name] for name in names if line[name] not in {None, 0}}
        for line in request["lines"]
    }


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["code"]
