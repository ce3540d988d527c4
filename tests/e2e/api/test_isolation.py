"""No tenant sees or touches another's data, whatever it names, and each of two walls is enough (P-33, P-34)."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec
import pytest

from infra.postgres import Running
from tests.e2e.api.callers import a_person, everybody, on, open_to
from tests.e2e.api.company import Company, add_user, found_company
from tests.e2e.api.foreign import Twins, leaks, seen_alike, twins
from tests.e2e.api.inside import Inside, inside
from tests.e2e.api.operations import Operation, guarded
from tests.e2e.api.state import state_of
from tests.e2e.api.walls import filters_off, policies_off, without_filter
from tests.lab import DatabaseUrls, a_database
from tests.ledger.promises import show

type Connection = asyncpg.Connection[Any]

WALLS = ("both", "policies alone", "filters alone")
NOT_THERE = {400, 404, 409}
SUMS = {
    "getInventoryAnalytics",
    "getLotControl",
    "getSettings",
    "listEventTypes",
    "listSessions",
    "listTokens",
    "me",
}
"""What tells of no thing by itself, or of the caller alone."""
NAMED = {
    "drillDownChannelLocation",
    "getBlindForm",
    "getChannelLocationMatrix",
    "getStockRequestStocklist",
    "listAvailability",
    "listTransferBins",
    "searchStockRequestProducts",
}
"""What tells only of the things that it is asked about by id, or by a part of their names."""
QUESTIONS = {"checkAvailability", "integrationsSetInventory", "suggestReplenishment", "validateLotControl"}
"""What changes nothing, and says of each thing in its answer whether it is there, or leaves it out."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant that asks, and the one that it must not see."""

    own: Company
    other: Company
    telling: frozenset[bytes]
    """What would show that somebody else was seen."""


class Breach(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What went wrong, where."""

    operation: str
    place: str
    what: str


@pytest.fixture(scope="module")
def torn(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    """A database of its own: its walls are taken down."""
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="module")
async def owner(torn: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(torn.admin_url)
    yield connection
    await connection.close()


STRANGERS: list[Company] = []
"""All that were founded; whoever asks is one of the newest."""


async def founded(owner: Connection, walls: str) -> Pair:
    one = walls.partition(" ")[0]
    own, other = await found_company(owner, f"our-{one}"), await found_company(owner, f"their-{one}")
    pair = Pair(own=own, other=other, telling=frozenset().union(other.telling, *(s.telling for s in STRANGERS)))
    STRANGERS.extend((own, other))
    return pair


def attempts(pair: Pair, headers: Mapping[str, str]) -> list[Twins]:
    return [twin for one in open_to(guarded(), headers) for twin in twins(one, pair.own, pair.other)]


async def breaches(app: Inside, pair: Pair, headers: Mapping[str, str]) -> list[Breach]:
    """Every answer about another's things that differs from the one about nothing, or tells of them."""
    found: list[Breach] = []
    for twin in attempts(pair, headers):
        foreign = await twin.foreign.send(app.http, headers)
        unknown = await twin.unknown.send(app.http, headers)

        def breach(what: str, twin: Twins = twin) -> None:
            found.append(Breach(operation=twin.operation.id, place=twin.place, what=what))

        if not seen_alike(twin, foreign, unknown):
            breach(f"{foreign.status_code} {foreign.text[:300]} but {unknown.status_code} {unknown.text[:300]}")
        is_harmless = twin.operation.is_safe or twin.operation.id in QUESTIONS
        if not is_harmless and foreign.status_code not in NOT_THERE:
            breach(f"answered {foreign.status_code} {foreign.text[:300]}")
        for word in leaks(foreign, pair.telling, twin.foreign.sent):
            breach(f"told {word}")
    return found


async def told_in_lists(app: Inside, pair: Pair, headers: Mapping[str, str]) -> list[Breach]:
    """What lists tell of the other tenant when nothing of it is asked for."""
    found: list[Breach] = []
    for operation in (o for o in open_to(guarded(), headers) if o.is_safe):
        for query in queries(operation, pair.own):
            path = pair.own.path(operation.path)
            answer = await app.http.get(path, params=query, headers=on(operation, headers))
            found += [
                Breach(operation=operation.id, place=str(query), what=f"told {word}")
                for word in leaks(answer, pair.telling, frozenset())
            ]
    return found


def queries(operation: Operation, own: Company) -> Iterator[dict[str, Any]]:
    """A list as the example asks for it, as it comes by itself, and by each of its parameters' choices."""
    yield own.fill(operation.query)
    yield {}
    for parameter in operation.parameters("query"):
        schema = parameter["schema"]
        choices = [choice for one in (schema, *schema.get("anyOf", ())) for choice in one.get("enum", ())]
        for choice in choices:
            yield {parameter["name"]: choice}
        if parameter["name"] == "limit":
            yield {"limit": schema.get("maximum", 100)}


@pytest.mark.parametrize("walls", WALLS)
async def test_what_is_another_s_is_as_if_it_were_not_there(
    torn: DatabaseUrls, owner: Connection, walls: str
) -> None:
    pair = await founded(owner, walls)
    user_id = await add_user(owner, pair.own, "admin")
    credentials = [await everybody(owner, pair.own), await a_person(owner, pair.own, user_id)]
    untouched = await state_of(owner, pair.other.tenant_id)

    found: list[Breach] = []
    changed: list[str] = []
    async with AsyncExitStack() as stack:
        if walls == "policies alone":
            changed = await stack.enter_async_context(filters_off(owner))
        if walls == "filters alone":
            await stack.enter_async_context(policies_off(owner))
        app = await stack.enter_async_context(inside(torn))
        for headers in credentials if walls == "both" else credentials[:1]:
            found += await breaches(app, pair, headers)
            found += await told_in_lists(app, pair, headers)

    assert app.faults == []
    promise = "P-33" if walls == "both" else "P-34"
    show(promise, walls=walls, requests=len(attempts(pair, credentials[0])) * 2, leaks=len(found))
    assert found == []
    assert await state_of(owner, pair.other.tenant_id) == untouched
    assert bool(changed) == (walls == "policies alone")


async def test_without_any_wall_this_test_would_see_it(torn: DatabaseUrls, owner: Connection) -> None:
    pair = await founded(owner, "none")
    headers = await everybody(owner, pair.own)

    async with filters_off(owner), policies_off(owner), inside(torn) as app:
        told = await told_in_lists(app, pair, headers)
        answered: dict[tuple[str, str], bool] = {}
        for twin in attempts(pair, headers):
            if twin.operation.is_safe:
                foreign = await twin.foreign.send(app.http, headers)
                unknown = await twin.unknown.send(app.http, headers)
                answered[twin.operation.id, twin.place] = seen_alike(twin, foreign, unknown)

    open_lists = {breach.operation for breach in told}
    show(
        "P-34",
        walls="none",
        lists_that_tell=len(open_lists),
        places_that_tell=list(answered.values()).count(False),
    )
    # It sees every list and everything that has an address.
    assert open_lists >= {o.id for o in guarded() if o.is_safe and "{" not in o.path} - SUMS - NAMED
    assert [place for place, alike in answered.items() if alike and place[1].startswith("path")] == []


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("SELECT 1 FROM bins b WHERE b.tenant_id = (SELECT $1::uuid)", "((SELECT $1::uuid)::uuid IS NOT NULL)"),
        ("SELECT * FROM lots WHERE tenant_id = $1 AND id = $2", "($1::uuid IS NOT NULL) AND id = $2"),
        ("SELECT * FROM lots l WHERE l.tenant_id = v_tenant", "(v_tenant::uuid IS NOT NULL)"),
        ("SELECT 1 FROM bins WHERE bins.tenant_id = $1::UUID", "($1::uuid IS NOT NULL)"),
    ],
)
def test_a_statement_loses_its_filter_and_nothing_else(statement: str, left: str) -> None:
    changed, lost = without_filter(statement)

    assert lost == 1
    assert changed == statement[: statement.index("WHERE ") + 6] + left
