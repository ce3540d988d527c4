"""What cannot be meant is refused field by field, and changes nothing."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from domain.values import new_id
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import Served

COUNTS = "/api/inventory/cycle-count"
NOBODY = str(new_id())
GOOD: dict[str, Any] = {
    "locationId": "{locationId}",
    "type": "SPOT",
    "productMasterIds": ["{countableProductId}"],
    "blind": True,
}
FULL: dict[str, Any] = {"locationId": "{locationId}", "type": "FULL", "blind": True}
NO_QUANTITIES: tuple[Any, ...] = (-1, -0.0001, 0.00001, 1e14, 1e15, "5", True, [], {})


@pytest.fixture(scope="module")
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


@pytest.fixture(scope="module")
async def running(desk: Desk) -> dict[str, str]:
    """A batch that is being counted, and one of its lines."""
    product = await desk.a_product()
    lotted = await desk.a_product(is_lot_controlled=True)
    await desk.put(product, 5)
    body = GOOD | {"productMasterIds": [product]}
    batch = (await desk.post(COUNTS, status=201, **body))["data"]["id"]
    await desk.post(f"{COUNTS}/{batch}", action="start")
    (line,) = (await desk.get(f"{COUNTS}/{batch}"))["data"]["lines"]
    return {"batch": batch, "line": line["id"], "product": product, "lotted": lotted}


async def refusal(desk: Desk, path: str, body: dict[str, Any]) -> tuple[int, str, set[str]]:
    """The status, the code, and the fields that are named."""
    answer = await desk.http.post(path, json=desk.company.fill(body))
    details = answer.json()["details"]
    fields = {field["path"] for field in details.get("fields", ())} or {details.get("field", "")}
    return answer.status_code, details["code"], fields


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"locationId": NOBODY}, 404, "locationId"),
        ({"locationId": "here"}, 400, "locationId"),
        ({"locationId": None}, 400, "locationId"),
        ({"type": "WHOLE"}, 400, "type"),
        ({"type": "full"}, 400, "type"),
        ({"type": "FULL"}, 400, "type"),
        ({"productMasterIds": []}, 400, "type"),
        ({"productMasterIds": [NOBODY]}, 404, "productMasterIds"),
        ({"productMasterIds": ["{countableProductId}", "{countableProductId}"]}, 400, "productMasterIds[1]"),
        ({"productMasterIds": "{countableProductId}"}, 400, "productMasterIds"),
        ({"productMasterIds": ["{unstockedProductMasterId}"]}, 400, ""),
        ({"productMasterIds": [NOBODY] * 5001}, 400, "productMasterIds"),
        ({"binIds": [NOBODY]}, 404, "binIds"),
        ({"binIds": ["{elsewhereBinId}"]}, 404, "binIds"),
        ({"binIds": ["{binId}", "{binId}"]}, 400, "binIds[1]"),
        ({"binIds": [NOBODY] * 1001}, 400, "binIds"),
        ({"categoryId": NOBODY}, 404, "categoryId"),
        ({"categoryId": 7}, 400, "categoryId"),
        ({"blind": "yes"}, 400, "blind"),
        ({"blind": None}, 400, "blind"),
        ({"freeze": 1}, 400, "freeze"),
        ({"scheduledFor": "tomorrow"}, 400, "scheduledFor"),
        ({"scheduledFor": "2026-02-30"}, 400, "scheduledFor"),
        ({"assigneeIds": [NOBODY]}, 404, "assigneeIds"),
        ({"assigneeIds": ["{userId}", "{userId}"]}, 400, "assigneeIds[1]"),
        ({"assigneeIds": [NOBODY] * 51}, 400, "assigneeIds"),
        ({"note": ""}, 400, "note"),
        ({"note": "x" * 2001}, 400, "note"),
        ({"note": "a\u0000b"}, 400, "note"),
        ({"status": "COMPLETED"}, 400, ""),
    ],
)
async def test_a_batch_that_cannot_be_meant_is_not_made(
    desk: Desk, change: dict[str, Any], status: int, field: str
) -> None:
    before = await desk.admin.fetchval("SELECT count(*) FROM cycle_counts")

    told = await refusal(desk, COUNTS, GOOD | change)

    assert told == (status, "NOT_FOUND" if status == 404 else "VALIDATION_ERROR", {field})
    assert await desk.admin.fetchval("SELECT count(*) FROM cycle_counts") == before


@pytest.mark.parametrize("missing", ["locationId", "type", "blind"])
async def test_what_a_batch_needs_is_asked_for(desk: Desk, missing: str) -> None:
    status, code, _ = await refusal(desk, COUNTS, {name: value for name, value in GOOD.items() if name != missing})

    assert (status, code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("change", [{"productMasterIds": ["{productMasterId}"]}, {"binIds": ["{binId}"]}])
async def test_a_full_count_is_of_the_whole_location(desk: Desk, change: dict[str, Any]) -> None:
    assert await refusal(desk, COUNTS, FULL | change) == (400, "VALIDATION_ERROR", {"type"})


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, ""),
        ({"action": "explode"}, 400, "action"),
        ({"action": "resolve"}, 400, "action"),
        ({"action": None}, 400, "action"),
        ({"action": "record"}, 400, "counts"),
        ({"action": "record", "counts": []}, 400, "counts"),
        ({"action": "record", "counts": [{"lineId": "{line}"}]}, 400, "counts[0]"),
        ({"action": "record", "counts": [{"countedQty": 1}]}, 400, "counts[0].binId counts[0].productMasterId"),
        (
            {"action": "record", "counts": [{"binId": "{binId}", "countedQty": 1}]},
            400,
            "counts[0].productMasterId",
        ),
        (
            {"action": "record", "counts": [{"lineId": "{line}", "binId": "{binId}", "countedQty": 1}]},
            400,
            "counts[0].binId",
        ),
        (
            {"action": "record", "counts": [{"lineId": "{line}", "expiryDate": "2030-01-01", "countedQty": 1}]},
            400,
            "counts[0].expiryDate",
        ),
        *(
            (
                {"action": "record", "counts": [{"lineId": "{line}", "countedQty": bad}]},
                400,
                "counts[0].countedQty",
            )
            for bad in NO_QUANTITIES
        ),
        ({"action": "record", "counts": [{"lineId": NOBODY, "countedQty": 1}]}, 404, "counts[0].lineId"),
        ({"action": "record", "counts": [{"lineId": "{countLineId}", "countedQty": 1}]}, 404, "counts[0].lineId"),
        ({"action": "record", "counts": [{"lineId": "{line}", "countedQty": 1}] * 2}, 400, "counts[1]"),
        ({"action": "record", "counts": [{"lineId": "{line}", "countedQty": 1}] * 501}, 400, "counts"),
        (
            {"action": "record", "counts": [{"lineId": "{line}", "countedQty": 1, "note": "x" * 2001}]},
            400,
            "counts[0].note",
        ),
        (
            {"action": "record", "counts": [{"lineId": "{line}", "countedQty": 1, "expected": 5}]},
            400,
            "counts[0]",
        ),
        (
            {"action": "record", "counts": [{"binId": NOBODY, "productMasterId": "{product}", "countedQty": 1}]},
            404,
            "counts[0].binId",
        ),
        (
            {
                "action": "record",
                "counts": [{"binId": "{elsewhereBinId}", "productMasterId": "{product}", "countedQty": 1}],
            },
            404,
            "counts[0].binId",
        ),
        (
            {"action": "record", "counts": [{"binId": "{binId}", "productMasterId": NOBODY, "countedQty": 1}]},
            404,
            "counts[0].productMasterId",
        ),
        (
            {
                "action": "record",
                "counts": [{"binId": "{spareBinId}", "productMasterId": "{product}", "countedQty": None}],
            },
            400,
            "counts[0].countedQty",
        ),
        (
            {
                "action": "record",
                "counts": [{"binId": "{spareBinId}", "productMasterId": "{product}", "countedQty": 1}] * 2,
            },
            400,
            "counts[1]",
        ),
        (
            {
                "action": "record",
                "counts": [
                    {
                        "binId": "{binId}",
                        "productMasterId": "{product}",
                        "lotNumber": "L-1",
                        "countedQty": 1,
                    }
                ],
            },
            400,
            "counts[0].lotNumber",
        ),
        (
            {
                "action": "record",
                "counts": [
                    {"binId": "{binId}", "productMasterId": "{lotted}", "lotNumber": "L-0", "countedQty": 0}
                ],
            },
            400,
            "counts[0].lotNumber",
        ),
        ({"action": "waive"}, 400, "waive"),
        ({"action": "waive", "waive": []}, 400, "waive"),
        ({"action": "waive", "waive": [{"lineId": "{line}"}]}, 400, "waive[0]"),
        ({"action": "waive", "waive": [{"lineId": "{line}", "reason": " "}]}, 400, "waive[0].reason"),
        ({"action": "waive", "waive": [{"lineId": "{line}", "reason": "x" * 2001}]}, 400, "waive[0].reason"),
        ({"action": "waive", "waive": [{"lineId": NOBODY, "reason": "Gone"}]}, 404, "waive[0].lineId"),
        ({"action": "waive", "waive": [{"lineId": "{line}", "reason": "Gone"}] * 2}, 400, "waive[1].lineId"),
        ({"action": "cancel", "waive": [{"lineId": "{line}", "reason": "Gone"}]}, 400, "waive"),
        ({"action": "cancel", "counts": [{"lineId": "{line}", "countedQty": 1}]}, 400, "counts"),
        ({"action": "cancel", "comment": ""}, 400, "comment"),
        ({"action": "cancel", "expectedVersion": 0}, 400, "expectedVersion"),
        ({"action": "cancel", "expectedVersion": 2**31}, 400, "expectedVersion"),
        ({"action": "assign"}, 400, "assigneeIds"),
        ({"action": "assign", "assigneeIds": [NOBODY]}, 404, "assigneeIds"),
        ({"action": "assign", "assigneeIds": ["{userId}", "{userId}"]}, 400, "assigneeIds[1]"),
        ({"action": "assign", "assigneeIds": [NOBODY] * 51}, 400, "assigneeIds"),
        ({"action": "start", "assigneeIds": []}, 400, "assigneeIds"),
    ],
)
async def test_what_cannot_be_done_to_a_batch_is_refused_at_its_field(
    desk: Desk, running: dict[str, str], body: dict[str, Any], status: int, field: str
) -> None:
    path = f"{COUNTS}/{running['batch']}"
    before = await desk.get(path)

    told = await refusal(desk, path, _meaning(body, running))

    assert told == (status, "NOT_FOUND" if status == 404 else "VALIDATION_ERROR", set(field.split(" ")))
    assert await desk.get(path) == before


def _meaning(value: Any, running: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _meaning(item, running) for name, item in value.items()}
    if isinstance(value, list):
        return [_meaning(item, running) for item in value]
    return running.get(value[1:-1], value) if isinstance(value, str) and value.startswith("{") else value


@pytest.mark.parametrize(
    "query",
    [
        {"status": "OPEN"},
        {"status": ""},
        {"locationId": "here"},
        {"assigneeId": "me"},
        {"scheduledUntil": "soon"},
        {"page": 0},
        {"page": 10**9},
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        {"cursor": "W10"},
        {"sort": "number"},
    ],
)
async def test_a_list_that_cannot_be_meant_is_refused(desk: Desk, query: dict[str, Any]) -> None:
    answer = await desk.http.get(COUNTS, params=query)

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("query", [{"page": 0}, {"limit": 501}, {"cursor": "x"}, {"expected": "true"}])
async def test_lines_that_cannot_be_meant_are_refused(
    desk: Desk, running: dict[str, str], query: dict[str, Any]
) -> None:
    answer = await desk.http.get(f"{COUNTS}/{running['batch']}", params=query)

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_batch_that_is_not_there_is_not_found(desk: Desk, method: str) -> None:
    answer = await desk.http.request(
        method, f"{COUNTS}/{NOBODY}", json={"action": "start"} if method == "POST" else None
    )

    assert (answer.status_code, answer.json()["details"]["code"]) == (404, "NOT_FOUND")
