"""The published examples as a partner's script sends them, with nothing but `requests`."""

import requests

from tests.e2e.integrations.partner import INVENTORY, Partner
from tests.lab import Served


def test_a_script_sets_and_reads_quantities(server: Served, partner: Partner) -> None:
    address = f"{server.url}{INVENTORY}"
    inventory = [
        {"location_code": "A-101", "sku_code": "RUG-5X7-BLU", "quantity": 150},
        {"location_code": "INVALID-LOC", "sku_code": "RUG-5X7-BLU", "quantity": 1},
        {"location_code": "A-102", "sku_code": "RUG-8X10-RED", "quantity": 75},
    ]
    body = {"inventory": inventory, "source": "erp_sync", "notes": "Nightly"}

    done = requests.post(address, json=body, headers={**partner.key, "Idempotency-Key": "night-1"}, timeout=60)
    again = requests.post(address, json=body, headers={**partner.key, "Idempotency-Key": "night-1"}, timeout=60)
    here = requests.get(f"{address}A-101/", params={"by": "location"}, headers=partner.key, timeout=60)
    there = requests.get(f"{address}RUG-8X10-RED", params={"by": "sku"}, headers=partner.key, timeout=60)
    pages = requests.get(address, params={"limit": 1}, headers=partner.key, timeout=60).json()
    cursor = pages["pagination"]["next_cursor"]
    rest = requests.get(address, params={"limit": 1, "cursor": cursor}, headers=partner.key, timeout=60).json()
    nobody = requests.get(address, timeout=60)
    unknown = requests.get(address, headers={"X-API-Key": "sk_live_nobody"}, timeout=60)

    wrong = {
        "row": 1,
        "location_id": "INVALID-LOC",
        "product_id": "RUG-5X7-BLU",
        "errors": {"location_id": ["Location not found"]},
    }
    assert (done.status_code, done.json()) == (
        200,
        {"success": True, "data": {"total": 3, "created": 2, "updated": 0, "failed": 1, "errors": [wrong]}},
    )
    assert (again.content, again.headers["Idempotency-Replayed"]) == (done.content, "true")
    assert here.json() == {"success": True, "data": [inventory[0]]}
    assert there.json() == {"success": True, "data": [inventory[2]]}
    assert pages["data"] != rest["data"]
    assert (nobody.status_code, nobody.json()) == (
        403,
        {"detail": "Authentication credentials were not provided."},
    )
    assert (unknown.status_code, unknown.json()) == (401, {"detail": "Invalid API key"})
