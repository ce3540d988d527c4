"""The company's settings and reason codes as its people meet them: they hold at once, in every process."""

import asyncio
from typing import Any

import httpx
import pytest

from domain.access.model import Permission
from tests.e2e.api.company import Company, add_key, as_bearer, master_key
from tests.e2e.api.conftest import Connection

SETTINGS = "/api/admin/settings"
REASONS = "/api/inventory/adjustments/reason-codes"
MANY = 24
"""So many requests at the same time that both workers get some."""


class Office:
    """Somebody who may change what holds for all."""

    def __init__(self, http: httpx.AsyncClient, company: Company, headers: dict[str, str]) -> None:
        self.http = http
        self.company = company
        self.headers = headers

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {} if body is None else {"json": body}
        return await self.http.request(method, path, headers={**self.headers, **headers}, **sent)

    async def settings(self) -> dict[str, Any]:
        answer = await self.send("GET", SETTINGS)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def set(self, **changes: Any) -> dict[str, Any]:
        answer = await self.send("PATCH", SETTINGS, changes)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def adjust(self, **changes: Any) -> httpx.Response:
        body = {
            "inventoryItemId": self.company.facts["inventoryItemId"],
            "type": "INCREASE",
            "quantity": 5,
            "reasonCodeId": self.company.facts["reasonCodeId"],
        }
        return await self.send("POST", "/api/inventory/adjust", {**body, **changes})

    async def receive(self, **line: Any) -> httpx.Response:
        lines = [{"productMasterId": self.company.facts["lotProductId"], "quantity": 1, **line}]
        body = {"locationId": self.company.facts["locationId"], "lines": lines}
        return await self.send("POST", "/api/inventory/receipts", body)


@pytest.fixture
async def office(http: httpx.AsyncClient, admin: Connection, company: Company) -> Office:
    return Office(http, company, await master_key(admin, company))


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["details"]["code"])


async def test_settings_are_as_by_default_until_somebody_changes_them(office: Office) -> None:
    before = await office.settings()

    after = await office.set(rootCauseThreshold=2.5, auditRetentionDays=400, expectedVersion=before["version"])

    assert (before["rootCauseThreshold"], before["auditRetentionDays"], before["lotControl"]) == (None, 3650, True)
    assert (before["expiryWarningDays"], before["jobRetentionDays"]) == (30, 90)
    assert after == {
        **before,
        "rootCauseThreshold": 2.5,
        "auditRetentionDays": 400,
        "version": before["version"] + 1,
        "updatedAt": after["updatedAt"],
    }
    assert await office.settings() == after
    assert (await office.set(rootCauseThreshold=None))["rootCauseThreshold"] is None


async def test_who_has_not_seen_the_latest_change_is_refused(office: Office) -> None:
    version = (await office.settings())["version"]
    await office.set(expiryWarningDays=10)

    answer = await office.send("PATCH", SETTINGS, {"expiryWarningDays": 20, "expectedVersion": version})

    assert (answer.status_code, code_of(answer)) == (409, "STALE_VERSION")
    assert (await office.settings())["expiryWarningDays"] == 10


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"rootCauseThreshold": -1}, "rootCauseThreshold"),
        ({"countTolerancePercent": 101}, "countTolerancePercent"),
        ({"countToleranceByClass": {"A": {"units": -1}}}, "countToleranceByClass.A.units"),
        ({"countToleranceByClass": {"D": {"units": 1}}}, "countToleranceByClass"),
        ({"approvalTiers": [{"above": 5}, {"above": 5}]}, "approvalTiers[1].above"),
        ({"approvalTiers": [{"above": 5, "approvals": 2}, {"above": 9}]}, "approvalTiers[1].approvals"),
        ({"auditRetentionDays": 29}, "auditRetentionDays"),
        ({"jobRetentionDays": 29}, "jobRetentionDays"),
        ({"defaultTimeZone": "Mars/Olympus"}, "defaultTimeZone"),
        ({"lotControl": "off"}, "lotControl"),
        ({"expectedVersion": 1}, ""),
    ],
)
async def test_a_setting_that_cannot_be_meant_is_refused_with_its_path(
    office: Office, changes: dict[str, Any], path: str
) -> None:
    answer = await office.send("PATCH", SETTINGS, changes)

    assert answer.status_code == 400, answer.text
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]


async def test_tolerances_and_tiers_are_kept_as_they_were_set(office: Office) -> None:
    wanted = {
        "countToleranceUnits": 2,
        "countTolerancePercent": 0.5,
        "countToleranceValue": 99.99,
        "countToleranceByClass": {"A": {"units": 0, "percent": None, "value": None}, "B": None, "C": None},
        "approvalTiers": [{"above": 0, "approvals": 1}, {"above": 1000.5, "approvals": 2}],
    }

    after = await office.set(**wanted)

    assert {name: after[name] for name in wanted} == wanted


async def test_the_threshold_of_root_causes_holds_at_once_in_every_process(office: Office) -> None:
    assert (await office.adjust()).status_code == 200
    for threshold, status in ((4, 400), (5, 200), (1, 400), (None, 200)):
        await office.set(rootCauseThreshold=threshold)

        answers = await asyncio.gather(*(office.adjust() for _ in range(MANY)))

        assert {answer.status_code for answer in answers} == {status}
    await office.set(rootCauseThreshold=1)
    assert (await office.adjust(rootCause="the rack was moved")).status_code == 200


async def test_a_reason_of_the_company_s_own_is_usable_at_once_in_every_process(office: Office) -> None:
    assert (await office.adjust()).status_code == 200
    body = {"code": "TASTING", "name": "Opened for a tasting", "direction": "OUT", "requiresComment": True}
    made = await office.send("POST", REASONS, body)
    assert made.status_code == 201, made.text
    reason = made.json()["data"]

    def use(**more: Any) -> Any:
        return office.adjust(type="DECREASE", quantity=1, reasonCodeId=reason["id"], **more)

    used = await asyncio.gather(*(use(comment="Tasted") for _ in range(MANY)))
    assert {answer.status_code for answer in used} == {200}
    assert (await use()).status_code == 400
    assert reason in (await office.send("GET", REASONS)).json()["data"]
    assert (reason["pack"], reason["version"], reason["active"]) == ("own", 1, True)
    assert code_of(await office.send("POST", REASONS, body)) == "DUPLICATE"

    path = f"{REASONS}/{reason['id']}"
    changed = await office.send("PATCH", path, {"requiresComment": False, "expectedVersion": 1})
    assert changed.json()["data"] == {**reason, "requiresComment": False, "version": 2}
    assert {a.status_code for a in await asyncio.gather(*(use() for _ in range(MANY)))} == {200}
    assert code_of(await office.send("PATCH", path, {"name": "x", "expectedVersion": 1})) == "STALE_VERSION"

    ended = await office.send("PATCH", path, {"active": False})
    assert ended.json()["data"]["active"] is False
    assert {a.status_code for a in await asyncio.gather(*(use() for _ in range(MANY)))} == {400}


async def test_changes_of_settings_and_reasons_are_in_the_audit_trail(office: Office) -> None:
    await office.set(rootCauseThreshold=7)
    path = f"{REASONS}/{office.company.facts['reasonCodeId']}"
    await office.send("PATCH", path, {"name": "Found again"}, **{"X-Request-ID": "renames-a-reason"})

    trail = await office.send("GET", "/api/audit?limit=2")

    renamed, set_ = trail.json()["data"]
    assert (set_["action"], set_["after"]["settings"]) == ("tenant.changed", {"rootCauseThreshold": 7})
    assert (renamed["action"], renamed["requestId"]) == ("reason_code.changed", "renames-a-reason")
    assert renamed["after"]["name"] == "Found again"


async def test_without_lot_control_nobody_has_to_name_a_lot(office: Office) -> None:
    assert code_of(await office.receive()) == "VALIDATION_ERROR"
    await office.set(lotControl=False)

    received = await office.receive()
    assert received.status_code == 200, received.text
    lot = {"lotNumber": office.company.facts["lotNumber"]}
    assert (await office.receive(**lot)).status_code == 200
    expiring = await office.receive(expiryDate="2099-01-01")
    assert "belongs to a lot" in expiring.text
    by_keys = {
        "productMasterId": office.company.facts["lotProductId"],
        "locationId": office.company.facts["locationId"],
        "inventoryItemId": None,
    }
    adjusted = await office.adjust(**by_keys)
    assert adjusted.status_code == 200, adjusted.text
    new = {"sku": "YOGHURT", "name": "Yoghurt", "uomId": office.company.facts["uomId"], "isLotControlled": True}
    made = await office.send("POST", "/api/products", new)
    assert (await office.receive(productMasterId=made.json()["data"]["id"])).status_code == 200

    refused = await office.send("PATCH", SETTINGS, {"lotControl": True})
    assert (refused.status_code, code_of(refused)) == (409, "IN_USE")
    assert (await office.settings())["lotControl"] is False


async def test_lot_control_can_come_back_when_all_stock_has_its_lot(office: Office) -> None:
    await office.set(lotControl=False)
    (line,) = (await office.receive()).json()["data"]["lines"]
    correction = {
        "inventoryItemId": line["inventoryItemId"],
        "quantity": 1,
        "toLotNumber": office.company.facts["lotNumber"],
    }
    moved = await office.send("POST", "/api/inventory/adjustments/lot-correction", correction)
    assert moved.status_code == 200, moved.text

    await office.set(lotControl=True)

    assert code_of(await office.receive()) == "VALIDATION_ERROR"
    await office.set(lotControl=False)
    assert (await office.receive()).status_code == 200


async def test_a_location_without_a_time_zone_is_in_the_company_s(office: Office) -> None:
    await office.set(defaultTimeZone="Europe/Lisbon")

    made = await office.send("POST", "/api/locations", {"code": "QUAY", "name": "Quay", "type": "DEPOT"})

    assert made.json()["data"]["timeZone"] == "Europe/Lisbon", made.text


async def test_who_is_limited_to_locations_does_not_decide_for_all(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    headers = await master_key(admin, company, location_ids=[company.facts["locationId"]])
    scoped = Office(http, company, headers)
    body = {"code": "MINE", "name": "Mine", "direction": "OUT"}

    for answer in (
        await scoped.send("PATCH", SETTINGS, {"lotControl": False}),
        await scoped.send("POST", REASONS, body),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "LOCATION_DENIED")


async def test_reasons_are_read_by_who_adjusts_and_made_by_who_decides(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    clerk = Office(http, company, as_bearer(await add_key(admin, company, [Permission.INVENTORY_ADJUST])))
    body = {"code": "MINE", "name": "Mine", "direction": "OUT"}

    assert (await clerk.send("GET", REASONS)).status_code == 200
    refused = await clerk.send("POST", REASONS, body)

    assert refused.json()["details"]["permission"] == "admin.settings"
