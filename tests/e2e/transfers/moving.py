"""Transfers as a client drives them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from domain.access.model import Permission, Scope
from tests.e2e.ledger_writes.site import Api, Site

PATH = "/api/inventory/transfers"


class Clerk:
    """Somebody who may do everything with transfers, everywhere or at some locations."""

    def __init__(self, api: Api, site: Site, *, scope: Scope = None) -> None:
        self.site = site
        self.http = api.client(site.caller(Permission, scope))

    async def asks(
        self, lines: list[dict[str, Any]], *, origin: str = "DC", to: str = "STORE", **more: Any
    ) -> httpx.Response:
        body = {"originLocationId": self.id(origin), "destinationLocationId": self.id(to), "lines": lines} | more
        return await self.http.post(PATH, json=body)

    async def makes(self, *wanted: tuple[str, int], **more: Any) -> Any:
        lines = more.pop("lines", None) or [self.line(*one) for one in wanted]
        answer = await self.asks(lines, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    def line(self, sku: str, quantity: Decimal | int, **more: Any) -> dict[str, Any]:
        return {"productMasterId": self.id(sku), "quantity": quantity, **more}

    def id(self, code: str) -> str:
        return str(self.site.ids[code])

    async def tries(self, transfer: Any, action: str, **more: Any) -> httpx.Response:
        return await self.http.post(f"{PATH}/{transfer['id']}", json={"action": action, **more})

    async def does(self, transfer: Any, action: str, **more: Any) -> Any:
        answer = await self.tries(transfer, action, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def sends(self, *wanted: tuple[str, int], **more: Any) -> Any:
        """A transfer that is on its way."""
        transfer = await self.makes(*wanted, submit=True, **more)
        await self.does(transfer, "pick")
        return await self.does(transfer, "ship")

    async def sees(self, transfer: Any) -> Any:
        answer = await self.http.get(f"{PATH}/{transfer['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["code"]


async def in_transit(site: Site) -> Any:
    """What is under way, by product."""
    rows = await site.admin.fetch(
        """
        SELECT p.sku, trim_scale(sum(s.on_hand)) AS on_hand FROM stock_lines s
        JOIN locations l ON (l.tenant_id, l.id) = (s.tenant_id, s.location_id) AND l.type = 'IN_TRANSIT'
        JOIN products p ON (p.tenant_id, p.id) = (s.tenant_id, s.product_id)
        WHERE s.tenant_id = $1 AND s.on_hand <> 0 GROUP BY p.sku
        """,
        site.tenant_id,
    )
    return {row["sku"]: row["on_hand"] for row in rows}


async def stands(site: Site, at: str = "DC") -> Any:
    """What is at a location and what is under way."""
    return await site.on_hand(at=at), await in_transit(site)


async def reserved(site: Site, line_id: UUID) -> Any:
    return await site.admin.fetchval(
        "SELECT trim_scale(reserved) FROM stock_lines WHERE tenant_id = $1 AND id = $2", site.tenant_id, line_id
    )


async def supplies(site: Site, at: str = "STORE") -> Any:
    """What is expected: its state, how much, and how much of it has come."""
    rows = await site.admin.fetch(
        "SELECT state, trim_scale(quantity) AS quantity, trim_scale(received) AS received FROM supplies "
        "WHERE tenant_id = $1 AND location_id = $2 ORDER BY id",
        site.tenant_id,
        site.ids[at],
    )
    return [(row["state"], row["quantity"], row["received"]) for row in rows]
