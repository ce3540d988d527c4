"""A partner's own names: in requests and in the errors that answer them."""

import asyncio
from typing import Any

import pytest

from tests.e2e.integrations.partner import INVENTORY, LOCATIONS, PRODUCTS, Json, Partner

MAPPING = {
    "inventory": {
        "fields": {
            "doc.items": "inventory",
            "doc.items.warehouse.bin": "inventory.location_code",
            "doc.items.item_no": "inventory.sku_code",
            "doc.items.qty": "inventory.quantity",
            "doc.remark": "notes",
        },
        "static": {"source": "erp_sync"},
    },
    "locations": {"fields": {"bin": "code", "site": "parent_code"}},
    "products": {"fields": {"item_no": "sku", "prices.purchase": "cost"}, "static": {"unit": "EA"}},
}


def document(*rows: Any, **more: Any) -> Json:
    return {"doc": {"items": list(rows), **more}, "type": "stock"}


def item(code: Any, sku: Any, quantity: Any) -> Json:
    return {"warehouse": {"bin": code, "row": 7}, "item_no": sku, "qty": quantity}


async def put(partner: Partner, key_id: str, mapping: Any, **more: Any) -> tuple[int, Json]:
    answer = await partner.http.put(
        f"/api/admin/api-keys/{key_id}/field-mapping", json={"mapping": mapping, **more}, headers=partner.owner
    )
    return answer.status_code, answer.json()


@pytest.fixture(scope="module")
async def mapped(partner: Partner) -> dict[str, str]:
    """A key that calls things its own way."""
    key_id, key = await partner.a_key("integrations.*")
    status, told = await put(partner, key_id, MAPPING)
    assert status == 200, told
    return key


async def test_requests_and_errors_use_the_partner_s_names(partner: Partner, mapped: dict[str, str]) -> None:
    body = document(item("A-101", "LAMP", 5), item("NOWHERE", "LAMP", -1), item("A-101", None, 2), remark="x")
    answer = await partner.http.post(INVENTORY, json=body, headers=mapped)

    assert answer.json() == {
        "success": True,
        "data": {
            "total": 3,
            "created": 1,
            "updated": 0,
            "failed": 2,
            "errors": [
                {
                    "row": 1,
                    "warehouse.bin": "NOWHERE",
                    "item_no": "LAMP",
                    "errors": {"qty": ["Must not be negative"]},
                },
                {
                    "row": 2,
                    "warehouse.bin": "A-101",
                    "item_no": None,
                    "errors": {"item_no": ["This field is required"]},
                },
            ],
        },
    }
    assert (await partner.movements("LAMP"))[0]["sourceId"] == "erp_sync"


@pytest.mark.parametrize(
    "body",
    [
        {"doc": "x"},
        {"doc": {"items": {}}},
        {"doc": {}},
        {"inventory": []},
        [],
    ],
    ids=str,
)
async def test_a_request_that_the_mapping_does_not_fit_is_told_so(
    partner: Partner, mapped: dict[str, str], body: Any
) -> None:
    answer = await partner.http.post(INVENTORY, json=body, headers=mapped)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "MAPPING_ERROR")


async def test_refusals_of_whole_requests_use_the_partner_s_names(
    partner: Partner, mapped: dict[str, str]
) -> None:
    empty = await partner.http.post(INVENTORY, json=document(), headers=mapped)
    note = await partner.http.post(INVENTORY, json=document(item("A-101", "LAMP", 1), remark=5), headers=mapped)
    place = await partner.http.post(LOCATIONS, json={"bin": 5}, headers=mapped)
    product = await partner.http.post(PRODUCTS, json={"item_no": "P", "prices": {"purchase": -1}}, headers=mapped)

    for answer, name in (
        (empty, "doc.items:"),
        (note, "doc.remark:"),
        (place, "bin:"),
        (product, "prices.purchase:"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), answer.text
        assert name in answer.json()["error"]["message"]


async def test_places_and_products_are_made_under_the_partner_s_names(
    partner: Partner, mapped: dict[str, str]
) -> None:
    place = await partner.http.post(LOCATIONS, json={"bin": "M-1", "site": "MAIN", "extra": 1}, headers=mapped)
    product = await partner.http.post(
        PRODUCTS, json={"item_no": "M-LAMP", "prices": {"purchase": 3}, "name": "Lamp"}, headers=mapped
    )

    assert (place.status_code, place.json()["data"]["code"]) == (201, "M-1")
    assert (product.json()["data"]["cost"], product.json()["data"]["name"]) == (3, "Lamp")


@pytest.mark.parametrize(
    "mapping",
    [
        {"inventory": {"fields": {"x": "colour"}}},
        {"inventory": {"fields": {"x": "notes", "y": "notes"}}},
        {"inventory": {"fields": {"qty": "inventory.quantity"}}},
        {"inventory": {"fields": {"items": "inventory", "items.note": "notes"}}},
        {"inventory": {"fields": {"a..b": "notes"}}},
        {"inventory": {"fields": {".".join("abcdefghi"): "notes"}}},
        {"inventory": {"static": {"inventory": "x"}}},
        {"inventory": {"fields": {"x": "source"}, "static": {"source": "erp_sync"}}},
        {"products": {"fields": {f"f{n}": "sku" for n in range(60)}}},
        {"orders": {}},
        {"inventory": {"field": {}}},
        {"inventory": {"static": {"source": ["x"]}}},
        5,
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_mapping_that_cannot_be_meant_is_refused(partner: Partner, mapping: Any) -> None:
    status, told = await put(partner, partner.key_id, mapping)

    assert (status, told["details"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_mapping_has_a_version_and_counts_at_once_in_every_process(partner: Partner) -> None:
    key_id, key = await partner.a_key("integrations.*")
    _, first = await put(partner, key_id, MAPPING, expectedVersion=0)
    stale, _ = await put(partner, key_id, None, expectedVersion=0)
    path = f"/api/admin/api-keys/{key_id}/field-mapping"
    read = (await partner.http.get(path, headers=partner.owner)).json()
    status, gone = await put(partner, key_id, None, expectedVersion=1)
    answers = await asyncio.gather(
        *(
            partner.http.post(
                INVENTORY,
                json={"inventory": [{"location_code": "A-101", "sku_code": "LAMP", "quantity": 1}]},
                headers=key,
            )
            for _ in range(16)
        )
    )

    assert first["data"] == read["data"]
    assert read["data"] == {
        "keyId": key_id,
        "mapping": MAPPING | {"locations": read["data"]["mapping"]["locations"]},
        "version": 1,
    }
    assert (stale, status, gone["data"]["mapping"]) == (409, 200, None)
    assert {answer.status_code for answer in answers} == {200}
    assert (
        await partner.http.get(path.replace(key_id, partner.ids["MAIN"]), headers=partner.owner)
    ).status_code == 404
