"""A small company with stock, and its API in this process: what the tests of the ledger's write routes share."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from litestar import Litestar

from app.http.application import Outside, build
from app.http.tracing import Traced
from app.main import ports
from app.session_api.adjustments import AdjustmentController
from app.session_api.destructions import DestructionController
from app.session_api.expired import ExpiredController
from app.session_api.issues import IssueController
from app.session_api.lot_control import LotControlController
from app.session_api.lot_correction import LotCorrectionController
from app.session_api.lot_trace import LotTraceController
from app.session_api.receipts import ReceiptController
from app.session_api.record_stock import RecordStockController
from app.session_api.reversals import ReversalController
from domain.access.model import Act, Caller, Idempotency, Permission, Scope
from domain.errors import DomainError, Reason
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.access.audit import SqlRefusals
from infra.access.listener import AccessListener
from infra.db.errors import refusal
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.observability.requests import request_id
from infra.stock_requests.followups import BackorderFollowups
from tests.lab import DatabaseUrls

CONTROLLERS = (
    AdjustmentController,
    DestructionController,
    ExpiredController,
    IssueController,
    LotControlController,
    LotCorrectionController,
    LotTraceController,
    ReceiptController,
    RecordStockController,
    ReversalController,
)
BINS = {
    "MAIN": "STANDARD",
    "PICK": "PICKING",
    "QUARANTINE": "QUARANTINE",
    "HOLD": "HOLD",
    "DAMAGE": "DAMAGE",
}
PRODUCTS: Mapping[str, Mapping[str, object]] = {
    "BOLT": {},
    "NUT": {},
    "MILK": {"is_lot_controlled": True, "is_expiry_required": True, "min_remaining_shelf_life_days": 3},
    "PILL": {"is_lot_controlled": True, "lot_pattern": "[A-Z]{2}[0-9]{3}"},
}


def overriding(whole: Mapping[str, object], change: str) -> str:
    """`whole` with what `change` says in its place; `change` is sent as it stands, 1e400 and all."""
    try:
        named = json.loads(change, parse_float=str, parse_int=str, parse_constant=str).keys()
    except ValueError:
        named = ()
    rest = json.dumps({name: value for name, value in whole.items() if name not in named})
    return change if rest == "{}" else f"{rest[:-1]}, {change[1:]}"


class Site:
    """One tenant: its ids by code, its stock, and people who may do this or that."""

    def __init__(self, admin: "asyncpg.Connection[Any]", database: Database) -> None:
        self.admin = admin
        self.database = database
        self.ledger = GroupedLedger(database)
        self.tenant_id = new_id()
        self.ids: dict[str, UUID] = {}
        """Of locations and products by code, of bins and lots as `location/bin` and `product/lot`."""
        self.reason_id = new_id()
        self.today = date.min

    async def build(self) -> "Site":
        self.today = await self.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        await self._insert("tenants", tenant_id=None, id=self.tenant_id, slug=self.tenant_id.hex, name="Site")
        await self._insert("ledger_heads")
        await self._insert(
            "reason_codes", id=self.reason_id, code="FOUND", name="Found", direction="BOTH", pack="test"
        )
        for code in ("EA", "BOX"):
            await self._insert("uoms", id=self._new(code), code=code, name=code)
        await self._insert(
            "uom_conversions",
            id=new_id(),
            from_uom_id=self.ids["BOX"],
            to_uom_id=self.ids["EA"],
            factor=Decimal(12),
        )
        for code in ("DC", "STORE"):
            await self.a_location(code)
        for sku, terms in PRODUCTS.items():
            await self._insert(
                "products", id=self._new(sku), sku=sku, name=sku, uom_id=self.ids["EA"], **dict(terms)
            )
            if "is_lot_controlled" not in terms:
                await self.a_lot(sku, "")
        return self

    async def a_location(self, code: str, *, time_zone: str = "UTC") -> UUID:
        id_ = self._new(code)
        await self._insert("locations", id=id_, code=code, name=code, type="WAREHOUSE", time_zone=time_zone)
        for bin_, type_ in BINS.items():
            await self._insert(
                "bins",
                id=self._new(f"{code}/{bin_}"),
                location_id=id_,
                code=bin_,
                name=bin_,
                type=type_,
                is_default=bin_ == "MAIN",
            )
        return id_

    async def a_lot(self, sku: str, number: str, *, expires_in: int | None = None, status: str = "ACTIVE") -> UUID:
        id_ = self._new(f"{sku}/{number}")
        await self._insert(
            "lots",
            id=id_,
            product_id=self.ids[sku],
            number=number,
            is_default=not number,
            expires_on=None if expires_in is None else self.day(expires_in),
            status=status,
        )
        return id_

    def day(self, days: int) -> date:
        return self.today + timedelta(days=days)

    def _new(self, code: str) -> UUID:
        return self.ids.setdefault(code, new_id())

    async def _insert(self, table: str, **values: object) -> None:
        row = {"tenant_id": self.tenant_id, **values}
        row = {name: value for name, value in row.items() if name != "tenant_id" or value is not None}
        marks = ", ".join(f"${n + 1}" for n in range(len(row)))
        await self.admin.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())

    async def put(
        self,
        sku: str,
        quantity: Decimal | int,
        *,
        bin_: str = "MAIN",
        lot: str = "",
        at: str = "DC",
        kind: Kind = Kind.RECEIPT,
        effective_at: datetime | None = None,
    ) -> UUID:
        """Stock, posted as the system itself; the id of its line."""
        posted = await self.ledger.post(
            Posting(
                id=new_id(),
                kind=kind,
                entries=(
                    Entry(
                        kind=kind,
                        product_id=self.ids[sku],
                        location_id=self.ids[at],
                        bin_id=self.ids[f"{at}/{bin_}"],
                        lot_id=self.ids[f"{sku}/{lot}"],
                        delta=Decimal(quantity),
                        effective_at=effective_at,
                    ),
                ),
            ),
            tenant_id=self.tenant_id,
        )
        return posted.movements[0].line_id

    async def move(self, line_id: UUID, delta: Decimal | int, *, effective_at: datetime | None = None) -> Posted:
        entry = Entry(kind=Kind.ADJUSTMENT, line_id=line_id, delta=Decimal(delta), effective_at=effective_at)
        posting = Posting(id=new_id(), kind=Kind.ADJUSTMENT, entries=(entry,), force=True)
        return await self.ledger.post(posting, tenant_id=self.tenant_id)

    async def claim(self, line_id: UUID, *, reserved: int = 0, held: int = 0) -> None:
        """Reserve or hold some of a line, past the doors that later come for it."""
        await self.admin.execute(
            """
            WITH line AS (
                UPDATE stock_lines SET reserved = $3, held = $4, held_part = $4 WHERE tenant_id = $1 AND id = $2
                RETURNING product_id, location_id
            )
            UPDATE stock_totals t SET reserved = t.reserved + $3, held = t.held + $4 FROM line
            WHERE t.tenant_id = $1 AND t.product_id = line.product_id AND t.location_id = line.location_id
            """,
            self.tenant_id,
            line_id,
            reserved,
            held,
        )

    async def on_hand(self, *, at: str = "DC") -> dict[str, Decimal]:
        """What stands where, as `sku bin lot`, without what stands at zero."""
        rows = await self.admin.fetch(
            """
            SELECT trim(concat_ws(' ', p.sku, b.code, l.number)) AS place, trim_scale(s.on_hand) AS on_hand
            FROM stock_lines s
            JOIN products p ON (p.tenant_id, p.id) = (s.tenant_id, s.product_id)
            JOIN bins b ON (b.tenant_id, b.id) = (s.tenant_id, s.bin_id)
            JOIN lots l ON (l.tenant_id, l.id) = (s.tenant_id, s.lot_id)
            WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.on_hand <> 0
            """,
            self.tenant_id,
            self.ids[at],
        )
        return {row["place"]: row["on_hand"] for row in rows}

    async def traces(self) -> dict[str, int]:
        """How many rows there are of all that a write may leave behind."""
        tables = ("postings", "movements", "events", "stock_lines", "stock_totals", "lots")
        counts = ", ".join(f"(SELECT count(*) FROM {t} WHERE tenant_id = $1) AS {t}" for t in tables)
        row = await self.admin.fetchrow(f"SELECT {counts}", self.tenant_id)
        assert row is not None
        return dict(row)

    async def drift(self) -> list[Any]:
        """Lines whose balance is not the sum of their movements: there must be none."""
        return await self.admin.fetch(
            """
            SELECT s.id, s.on_hand, coalesce(sum(m.delta), 0) AS moved
            FROM stock_lines s LEFT JOIN movements m ON (m.tenant_id, m.line_id) = (s.tenant_id, s.id)
            WHERE s.tenant_id = $1 GROUP BY s.id, s.on_hand HAVING s.on_hand <> coalesce(sum(m.delta), 0)
            """,
            self.tenant_id,
        )

    def caller(self, permissions: Iterable[Permission], scope: Scope = None) -> Caller:
        return Caller(
            tenant_id=self.tenant_id,
            tenant_slug="site",
            tenant_name="Site",
            principal_id=self.tenant_id,
            user_id=None,
            actor="a test",
            session_id=None,
            key_id=None,
            roles=(),
            rights=dict.fromkeys(permissions, scope),
        )

    def act(self, permission: Permission, *, key: str | None = None, scope: Scope = None) -> Act:
        return Act(
            caller=self.caller([permission], scope),
            permission=permission,
            operation="test",
            request_id="test",
            idempotency=Idempotency(key=key, fingerprint=b"body") if key is not None else None,
        )


class _Door:
    """Who comes with which key; the real door has tests of its own."""

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}

    async def by_key(self, key: str) -> Caller:
        if key not in self.callers:
            raise DomainError(Reason.INVALID_API_KEY, "No such key")
        return self.callers[key]

    async def by_session(self, token: str) -> Any:
        raise NotImplementedError(token)


class Api:
    """The application over real adapters, without a network; each caller has a client."""

    def __init__(self, app: Litestar, door: _Door) -> None:
        self._transport = httpx.ASGITransport(app=Traced(app, request_id=request_id, observe=lambda *_: None))
        self._door = door

    def client(self, caller: Caller) -> httpx.AsyncClient:
        key = new_id().hex
        self._door.callers[key] = caller
        return httpx.AsyncClient(
            transport=self._transport, base_url="http://api", headers={"Authorization": f"Bearer {key}"}
        )


def an_api(
    database: Database, controllers: Sequence[Any] = CONTROLLERS, *, followups: BackorderFollowups | None = None
) -> Api:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        yield

    async def ready() -> None:
        return None

    outside = Outside(
        refusal=refusal,
        ready=ready,
        metrics=lambda: (b"", "text/plain"),
        refusals=SqlRefusals(database),
        secure_cookies=False,
        body_limit=1 << 20,
        lifespan=lifespan,
    )
    app = build(controllers, ports(database, AccessListener(database._url), followups=followups), outside)
    door = _Door()
    app.state.authenticator = door
    return Api(app, door)


@asynccontextmanager
async def a_gate(urls: DatabaseUrls, site: Site, *line_ids: UUID) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """Holds stock lines, so that racers gather before them; leaving lets them go."""
    gate = await asyncpg.connect(urls.admin_url)
    try:
        async with gate.transaction():
            await gate.execute(
                "SELECT 1 FROM stock_lines WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE",
                site.tenant_id,
                list(line_ids),
            )
            yield gate
    finally:
        await gate.close()


WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def until_waiting(admin: "asyncpg.Connection[Any]", count: int) -> None:
    """Return when so many connections wait for a lock."""
    async with asyncio.timeout(10):
        while await admin.fetchval(WAITING) < count:  # noqa: ASYNC110 - another process tells, not this loop
            await asyncio.sleep(0.01)


def quantities(answer: httpx.Response) -> dict[str, Decimal]:
    """What a posting's answer says was moved, by bin and lot."""
    body = answer.json(parse_float=Decimal)
    return {
        " ".join(filter(None, (line["binCode"], line["lotNumber"]))): Decimal(line["deltaQty"])
        for line in body["data"]["lines"]
    }
