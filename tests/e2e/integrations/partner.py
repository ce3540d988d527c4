"""A company as its partner sees it."""

from typing import Any
from uuid import UUID

import httpx
import msgspec

BASE = "/api/integrations/v1"
INVENTORY, LOCATIONS, PRODUCTS = f"{BASE}/inventory/", f"{BASE}/locations/", f"{BASE}/products/"
SKUS = ("RUG-5X7-BLU", "RUG-8X10-RED", "LAMP")

type Json = dict[str, Any]


def row(code: Any, sku: Any, quantity: Any) -> Json:
    return {"location_code": code, "sku_code": sku, "quantity": quantity}


class Partner(msgspec.Struct, kw_only=True):
    """Its key, what there is by name, and how to ask."""

    http: httpx.AsyncClient
    tenant_id: UUID
    owner: dict[str, str]
    """The headers of a key of the session API that may do everything."""
    key: dict[str, str] = {}
    key_id: str = ""
    ids: dict[str, str] = {}

    async def furnish(self) -> None:
        """MAIN has the bins A-101 and A-102, the company three products and a lot-controlled one, MILK."""
        uom = await self.make("/api/uoms", code="EA", name="Each")
        for code in ("MAIN", "SHOP"):
            self.ids[code] = await self.make("/api/locations", code=code, name=code, type="WAREHOUSE")
        for code in ("A-101", "A-102"):
            self.ids[code] = await self.make("/api/bins", locationId=self.ids["MAIN"], code=code, name=code)
        for sku in (*SKUS, "MILK"):
            self.ids[sku] = await self.make(
                "/api/products", sku=sku, name=sku, uomId=uom, isLotControlled=sku == "MILK"
            )
        self.key_id, self.key = await self.a_key("integrations.*")

    async def make(self, path: str, **facts: Any) -> str:
        answer = await self.http.post(path, json=facts, headers=self.owner)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["data"]["id"]
        return made

    async def change(self, path: str, **facts: Any) -> None:
        answer = await self.http.patch(path, json=facts, headers=self.owner)
        assert answer.is_success, answer.text

    async def a_key(self, *scopes: str, at: list[str] | None = None) -> tuple[str, dict[str, str]]:
        """A new key's id, and its header."""
        places = None if at is None else [self.ids[code] for code in at]
        body = {"name": "ERP", "scopes": scopes, "locationIds": places}
        answer = await self.http.post("/api/admin/api-keys", json=body, headers=self.owner)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"], {"X-API-Key": answer.json()["key"]}

    async def set(
        self, *rows: Any, key: dict[str, str] | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> Json:
        """Set quantities; what the answer says of them."""
        answer = await self.http.post(
            INVENTORY,
            json={"inventory": list(rows), **more},
            headers={**(self.key if key is None else key), **(headers or {})},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True
        data: Json = answer.json()["data"]
        return data

    async def get(self, path: str, *, key: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self.key if key is None else key)

    async def quantity(self, code: str, sku: str) -> Any:
        """What is shown of a record; None if there is none."""
        found = (await self.get(f"{INVENTORY}{code.replace('/', '%2F')}/")).json()["data"]
        return next((one["quantity"] for one in found if one["sku_code"] == sku), None)

    async def movements(self, sku: str) -> list[Json]:
        answer = await self.http.get(
            "/api/inventory/movements", params={"productMasterId": self.ids[sku], "limit": 50}, headers=self.owner
        )
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["data"]
        return found
