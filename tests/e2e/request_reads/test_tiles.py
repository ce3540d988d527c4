"""Every figure of the dashboards equals the total of the list that it links to, for everybody who looks."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.values import new_id
from tests.e2e.stock_requests.asking import ALL, PATH, READ, Office, Person

STATES = ("DRAFT", "PENDING_APPROVAL", "APPROVED", "REJECTED", "PICKING", "ISSUED", "RECEIVED", "CANCELED")
BOARDS = ("dashboard?days=7", "by-category")

COUNTED = """
    SELECT measure, origin_location_id, destination_location_id, state, type, day::text, ref, requests, amount,
        other
    FROM stock_request_counts WHERE tenant_id = $1 AND requests <> 0
"""
COUNTED_ANEW = """
    SELECT c.measure, r.origin_location_id, r.destination_location_id, c.state, c.type, c.day::text, c.ref,
        count(*) AS requests, sum(c.amount) AS amount, sum(c.other) AS other
    FROM stock_requests r CROSS JOIN LATERAL stock_request_cells(r) c WHERE r.tenant_id = $1
    GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def tiles(content: Any) -> Iterator[dict[str, Any]]:
    """All that counts requests and says which."""
    if isinstance(content, dict):
        if "href" in content:
            yield content
        for value in content.values():
            yield from tiles(value)
    elif isinstance(content, list):
        for value in content:
            yield from tiles(value)


async def got(http: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await http.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def walked(http: httpx.AsyncClient, href: str) -> tuple[int, list[str]]:
    """The total that a list says, and the ids of all its pages, cursor by cursor."""
    joint = "&" if "?" in href else "?"
    page = await got(http, f"{href}{joint}limit=3")
    total, ids = page["pagination"]["total"], [one["id"] for one in page["data"]]
    while page["pagination"]["nextCursor"]:
        page = await got(http, f"{href}{joint}limit=3&cursor={page['pagination']['nextCursor']}")
        ids += [one["id"] for one in page["data"]]
    assert len(ids) == len(set(ids))
    return total, ids


async def compared(person: Person) -> int:
    """Follow every tile; how many there were with something in them."""
    seen = 0
    for board in BOARDS:
        for tile in tiles(await got(person.http, f"{PATH}/{board}")):
            total, ids = await walked(person.http, tile["href"])
            assert (total, len(ids)) == (tile["requests"], tile["requests"]), tile
            seen += tile["requests"] > 0
    return seen


@pytest.fixture
async def busy(office: Office) -> Office:
    """Requests in every state, some overdue, between three places; and one that was deleted."""
    site = office.site
    await site.put("BOLT", 200)
    await site.a_location("WARD")
    await site.admin.execute(
        "UPDATE locations SET capabilities = '{APPROVES_REQUESTS}' WHERE tenant_id = $1 AND code = 'WARD'",
        site.tenant_id,
    )
    for code in ("HARDWARE", "FOOD"):
        await office.row("categories", id=(category := new_id()), code=code, name=code.title())
        skus = ["BOLT"] if code == "HARDWARE" else ["MILK", "PILL"]
        await site.admin.execute(
            "UPDATE products SET category_id = $2 WHERE tenant_id = $1 AND sku = ANY ($3)",
            site.tenant_id,
            category,
            skus,
        )
    for state in STATES:
        await office.in_state(state)
    await office.pending(("BOLT", 2), ("NUT", 3), destinationLocationId=str(site.ids["WARD"]))
    await office.pending(("MILK", 2), originLocationId=str(site.ids["WARD"]))
    late = await office.pending(("NUT", 1), neededBy="2026-01-01")
    old = await office.pending(("PILL", 1))
    deleted = await office.draft()
    await office.asker.http.request("DELETE", f"{PATH}/{deleted['id']}")
    # Time passes for two of them.
    for request, age in ((late, timedelta(days=2)), (old, timedelta(days=9))):
        await site.admin.execute(
            "UPDATE stock_requests SET submitted_at = submitted_at - $3::interval, "
            "deadline_at = now() - interval '1 hour' WHERE tenant_id = $1 AND id = $2",
            site.tenant_id,
            request["id"],
            age,
        )
    return office


async def test_every_tile_equals_its_list_for_who_sees_all_and_for_who_sees_one_place(busy: Office) -> None:
    everywhere = await busy.person(*ALL, role="supervisor")
    at_ward = await busy.person(*ALL, role="supervisor", at="WARD")
    reader = await busy.person(READ)

    figures = [await compared(one) for one in (everywhere, at_ward, reader)]
    whole, part = [(await got(one.http, f"{PATH}/dashboard"))["data"] for one in (everywhere, at_ward)]
    unasked = (await got(reader.http, f"{PATH}/dashboard"))["data"]["toDecide"]

    assert min(figures) > 5
    assert (whole["total"]["requests"], part["total"]["requests"]) == (12, 2)
    assert whole["overdue"]["requests"] == 2
    assert [tile["requests"] for tile in whole["ageing"]] == [3, 1, 0, 1, 0]
    assert whole["toDecide"]["requests"] == 5
    assert part["toDecide"]["requests"] == 1, "only what the ward fulfils"
    assert unasked is None


async def test_the_counts_are_what_a_count_of_all_requests_would_be_after_steps_forth_and_back(
    busy: Office,
) -> None:
    for state in ("PENDING_APPROVAL", "APPROVED", "PICKING", "ISSUED"):
        request = await busy.in_state(state)
        who = busy.asker if state == "PENDING_APPROVAL" else busy.boss
        await (busy.hand if state in {"PICKING", "ISSUED"} else who).does(
            "rollback", request, expectedVersion=request["version"], comment="Once more"
        )
    draft = await busy.draft()
    await busy.asker.http.post(f"{PATH}/{draft['id']}/lines", json=busy.line("MILK", 4))
    moved = {"destinationLocationId": str(busy.site.ids["WARD"])}
    changed = await busy.asker.http.patch(f"{PATH}/{draft['id']}", json=moved)
    assert changed.status_code == 200, changed.text

    kept, anew = [await busy.site.admin.fetch(sql, busy.site.tenant_id) for sql in (COUNTED, COUNTED_ANEW)]

    assert {tuple(row) for row in kept} == {tuple(row) for row in anew}
    assert kept


async def test_the_filters_offer_what_requests_have_and_lead_to_as_many_of_them(busy: Office) -> None:
    person = await busy.person(READ, at="WARD")

    choices = (await got(person.http, f"{PATH}/filters"))["data"]

    names = {"origins": "originLocationId", "destinations": "destinationLocationId", "requesters": "requesterId"}
    for kind, parameter in names.items():
        assert choices[kind]
        for choice in choices[kind]:
            assert (await walked(person.http, f"{PATH}?{parameter}={choice['id']}"))[0] == choice["requests"]
    for choice in choices["categories"]:
        which = f"categoryId={choice['id']}" if choice["code"] else "uncategorized=true"
        assert (await walked(person.http, f"{PATH}?{which}"))[0] == choice["requests"]
    assert [(one["value"], one["requests"]) for one in choices["statuses"]] == [("PENDING_APPROVAL", 2)]
    assert {one["code"] for one in choices["origins"]} == {"DC", "WARD"}


async def test_figures_say_how_long_it_took_and_how_much_of_what_was_wanted_came(office: Office) -> None:
    await office.site.put("BOLT", 20)
    request = await office.pending(("BOLT", 8), ("NUT", 4))
    await office.site.put("NUT", 1)
    issued = await office.hand.moves("issue", await office.hand.moves("pick", await office.boss.approves(request)))
    await office.asker.moves("receive", issued)

    board = (await got(office.boss.http, f"{PATH}/dashboard"))["data"]

    assert (board["fillRate"]["requested"], board["fillRate"]["issued"]) == (12, 9)
    assert board["fillRate"]["rate"] == 0.75
    assert board["cycleTime"]["requests"] == 1
    assert board["cycleTime"]["averageHours"] is not None
    assert [(one["sku"], one["requested"]) for one in board["topProducts"]["products"]] == [
        ("BOLT", 8),
        ("NUT", 4),
    ]
    assert board["daily"][-1]["received"]["requests"] == 1
