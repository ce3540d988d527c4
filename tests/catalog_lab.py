"""A tenant with keys to its catalog, and the API over the database of the module, in this process."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
from litestar import Litestar

from app.http.application import Outside, build
from app.http.tracing import Traced
from app.session_api.bins import BinController
from app.session_api.categories import CategoryController
from app.session_api.lots import LotController
from app.session_api.places import AreaController, LocationController
from app.session_api.products import ProductController
from app.session_api.units import ConversionController, UomController
from domain.access.model import Act, Caller, Permission, Scope
from domain.access.rules import SessionLimits
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.access.audit import SqlRefusals
from infra.access.authenticator import CachedAuthenticator
from infra.access.listener import AccessListener
from infra.access.provision import create_api_key, create_tenant
from infra.catalog.queries import SqlCatalogQueries
from infra.catalog.repository import SqlCatalogWork
from infra.db.errors import refusal
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.grouping import GroupedLedger
from infra.observability.requests import request_id
from tests.lab import DatabaseUrls

CONTROLLERS = (
    AreaController,
    BinController,
    CategoryController,
    ConversionController,
    LocationController,
    LotController,
    ProductController,
    UomController,
)
CATALOG = (
    Permission.PRODUCTS_READ,
    Permission.PRODUCTS_WRITE,
    Permission.LOCATIONS_READ,
    Permission.LOCATIONS_WRITE,
)


def an_act(tenant_id: UUID, permission: Permission = Permission.PRODUCTS_WRITE, *, scope: Scope = None) -> Act:
    caller = Caller(
        tenant_id=tenant_id,
        tenant_slug="t",
        tenant_name="T",
        principal_id=new_id(),
        user_id=None,
        actor="a test",
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(Permission, scope),
    )
    return Act(caller=caller, permission=permission, operation="test", request_id="test")


class Shop:
    """One tenant as its clients see it."""

    def __init__(self, urls: DatabaseUrls, database: Database, client: httpx.AsyncClient, tenant_id: UUID) -> None:
        self.urls = urls
        self.database = database
        self.client = client
        self.tenant_id = tenant_id
        self.key = ""

    async def a_key(self, *scopes: Permission, location_ids: Sequence[str | UUID] | None = None) -> dict[str, str]:
        """The headers of a new key."""
        ids = None if location_ids is None else [UUID(str(id_)) for id_ in location_ids]
        _, key = await create_api_key(
            self.urls.admin_url, self.tenant_id, "a key", scopes or CATALOG, location_ids=ids
        )
        return {"Authorization": f"Bearer {key}"}

    async def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        return await self.client.request(
            method, path, json=body, headers=sent, params={k: v for k, v in query.items() if v is not None}
        )

    async def made(self, path: str, body: object) -> dict[str, Any]:
        """What a POST made."""
        answer = await self.send("POST", path, body)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def got(self, path: str, **query: Any) -> Any:
        answer = await self.send("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def a_uom(self, code: str = "EA") -> str:
        id_ = (await self.made("/api/uoms", {"code": code, "name": code}))["id"]
        return str(id_)

    async def a_product(self, sku: str, **facts: Any) -> dict[str, Any]:
        if "uomId" not in facts:
            found = await self.got("/api/uoms", limit=1)
            facts["uomId"] = found["data"][0]["id"] if found["data"] else await self.a_uom()
        return await self.made("/api/products", {"sku": sku, "name": sku.title(), **facts})

    async def a_location(self, code: str, **facts: Any) -> dict[str, Any]:
        body = {"code": code, "name": code, "type": "WAREHOUSE", "timeZone": "Europe/London", **facts}
        return await self.made("/api/locations", body)

    async def receive(
        self,
        product_id: str,
        location_id: str,
        quantity: int,
        *,
        bin_id: str | None = None,
        lot_id: str | None = None,
    ) -> None:
        """Stock comes in, through the ledger."""
        entry = Entry(
            kind=Kind.RECEIPT,
            product_id=UUID(product_id),
            location_id=UUID(location_id),
            bin_id=UUID(bin_id) if bin_id else None,
            lot_id=UUID(lot_id) if lot_id else None,
            delta=quantity,  # type: ignore[arg-type] # a whole number will do
        )
        act = an_act(self.tenant_id, Permission.INVENTORY_WRITE)
        await GroupedLedger(self.database).post(Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,), act=act))

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        connection = await asyncpg.connect(self.urls.admin_url)
        try:
            rows = await connection.fetch(
                "SELECT type, payload FROM events WHERE tenant_id = $1 ORDER BY position", self.tenant_id
            )
            return [(row["type"], msgspec.json.decode(row["payload"])) for row in rows]
        finally:
            await connection.close()


def an_app(database: Database) -> Litestar:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        yield

    async def ready() -> str | None:
        return None

    ports = {"catalog": SqlCatalogQueries(database), "begin_catalog": beginning(database, SqlCatalogWork)}
    outside = Outside(
        refusal=refusal,
        ready=ready,
        metrics=lambda: (b"", ""),
        refusals=SqlRefusals(database),
        secure_cookies=False,
        body_limit=1_000_000,
        lifespan=lifespan,
    )
    return build(CONTROLLERS, ports, outside)


@asynccontextmanager
async def a_client(urls: DatabaseUrls, database: Database) -> AsyncGenerator[httpx.AsyncClient]:
    """The API with real keys."""
    app = an_app(database)
    limits = SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(hours=12))
    authenticator = await CachedAuthenticator.connect(
        database, listener=AccessListener(urls.app_url), limits=limits
    )
    await authenticator.start()
    app.state.authenticator = authenticator
    try:
        transport = httpx.ASGITransport(app=Traced(app, request_id=request_id, observe=lambda *_: None))
        async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
            yield client
    finally:
        await authenticator.stop()


async def a_shop(urls: DatabaseUrls, database: Database, client: httpx.AsyncClient) -> Shop:
    """A tenant of its own."""
    tenant_id = await create_tenant(urls.admin_url, f"shop-{new_id().hex[-12:]}", "A shop")
    shop = Shop(urls, database, client, tenant_id)
    shop.key = (await shop.a_key())["Authorization"].removeprefix("Bearer ")
    return shop


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["code"]


def fields_of(answer: httpx.Response) -> list[str]:
    assert code_of(answer) == (400, "VALIDATION_ERROR"), answer.text
    return [field["path"] for field in answer.json()["details"]["fields"]]


KINDS = ("categories", "uoms", "uom-conversions", "products", "locations", "areas", "bins", "lots")


async def bodies(shop: Shop) -> dict[str, dict[str, Any]]:
    """A good body for each kind, and what it needs to be good."""
    each, case = await shop.a_uom("EA"), await shop.a_uom("CS")
    location = await shop.a_location("HOME")
    controlled = await shop.a_product("CONTROLLED", isLotControlled=True)
    return {
        "categories": {"code": "TEA", "name": "Tea"},
        "uoms": {"code": "KG", "name": "Kilogram", "decimals": 3},
        "uom-conversions": {"fromUomId": case, "toUomId": each, "factor": 0.125},
        "products": {
            "sku": "TEA-1",
            "name": "Tea",
            "description": "Green.\nLoose.",
            "barcode": "5012345678900",
            "uomId": each,
            "unitCost": 2.35,
            "isLotControlled": True,
            "isExpiryRequired": True,
            "isRegulated": False,
            "shelfLifeDays": 540,
            "minRemainingShelfLifeDays": 90,
            "expiryWarningDays": 120,
            "lotPattern": "[A-Z]{2}[0-9]{4}",
        },
        "locations": {"code": "LEEDS", "name": "Leeds", "type": "STORE", "timeZone": "Europe/London"},
        "areas": {"locationId": location["id"], "code": "COLD", "name": "Cold store"},
        "bins": {
            "locationId": location["id"],
            "code": "A-01",
            "type": "PICKING",
            "zone": "A",
            "walkOrder": 10,
            "capacityUnits": 400,
            "capacityVolume": 1.5,
            "capacityWeight": 250.25,
            "mixing": "ONE_LOT",
        },
        "lots": {
            "productMasterId": controlled["id"],
            "lotNumber": "L-1",
            "expiryDate": "2031-06-30",
            "manufacturedDate": "2030-01-01",
            "supplierLot": "S-1",
        },
    }


CHANGES: dict[str, dict[str, Any]] = {
    "categories": {"name": "Infusions"},
    "uoms": {"name": "Kilo"},
    "uom-conversions": {"factor": 24},
    "products": {"name": "Green tea", "barcode": None},
    "locations": {"name": "Leeds shop", "capabilities": ["SHIPS", "COUNTS", "SHIPS"]},
    "areas": {"name": "Colder store"},
    "bins": {"zone": None, "walkOrder": 20},
    "lots": {"supplierLot": None, "expiryDate": "2031-07-01"},
}
