"""Who was let in for one location sees and changes nothing at another, on any route."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from app.http.surfaces import Surface
from tests.e2e.api.callers import a_person, code_of, everybody, on, open_to
from tests.e2e.api.company import ELSEWHERE, ELSEWHERE_CODES, Company, add_user, known_as
from tests.e2e.api.conftest import Connection, Founding
from tests.e2e.api.foreign import Twins, leaks, seen_alike, twins
from tests.e2e.api.forms import bodies
from tests.e2e.api.operations import Operation, guarded, named, unsafe
from tests.ledger.promises import show

AT = """
    SELECT 'line ' || id, concat_ws(' ', on_hand, reserved, held, version) FROM stock_lines WHERE location_id = $1
    UNION ALL SELECT 'movement ' || position, '' FROM movements WHERE location_id = $1
    UNION ALL SELECT 'location ' || id, version || name FROM locations WHERE id = $1
    UNION ALL SELECT 'area ' || id, version || name FROM areas WHERE location_id = $1
    UNION ALL SELECT 'bin ' || id, version || name FROM bins WHERE location_id = $1
    UNION ALL SELECT 'levels ' || product_id, version::text FROM stock_levels WHERE location_id = $1
"""

REFUSALS = {"403 LOCATION_DENIED", "404 NOT_FOUND", "400 VALIDATION_ERROR"}
NAMED_ONLY = {
    ("setProductInventoryLevels", "sourceLocationId"),
    ("setReplenishmentConfig", "sourceLocationId"),
}
"""Where stock for here would come from may be said by one who may not go there."""
REPEATS = {"listAudit", "listEvents", "listReplenishmentConfig"}
"""What tells of a change here tells what was said in it, a location that was named only among it."""
NAMED = {"listAvailability"}
"""What is asked about one thing or another, by its id."""
OWN = {"getJob", "importFile", "importStatus"}
"""What may be about all locations: who is limited to some is shown what they asked for themselves, and no more."""

ADDED = {"type": "INCREASE", "quantity": 3, "reasonCodeId": "{reasonCodeId}"}
SHARED = {"action", "grants"}
"""What is seen at all locations, wherever it was changed: a lot's date, and that somebody's roles have changed."""

OF_THE_MOMENT = re.compile(r'"((last)?[uU]sedAt|ageHours|asOf|behind|head|next)":[^,}]*|submitted(From|To)=[^&"]*')

type Headers = Mapping[str, str]


@pytest.fixture(scope="module")
async def company(found: Founding) -> Company:
    return await found()


@pytest.fixture(scope="module", params=["session", "key"])
async def caller(request: pytest.FixtureRequest, admin: Connection, company: Company) -> Headers:
    """Somebody who may do everything at the first location, and nothing elsewhere."""
    here = UUID(company.facts["locationId"])
    if request.param == "key":
        return await everybody(admin, company, at=here)
    return await a_person(admin, company, await add_user(admin, company, "admin", location_id=here))


@pytest.fixture(scope="module")
def telling(company: Company) -> frozenset[bytes]:
    """What is only known at the other location."""
    ids = {company.facts[there] for _, there in ELSEWHERE} | {company.facts["otherAreaId"]}
    return frozenset(text.encode() for text in {*ids, *(f"{code}-{company.mark}" for code in ELSEWHERE_CODES)})


async def at_the_other(admin: Connection, company: Company) -> dict[str, str]:
    return dict(await admin.fetch(AT, UUID(company.facts["otherLocationId"])))


def elsewhere(company: Company, operations: list[Operation]) -> Iterator[Twins]:
    """Requests that name something at the other location, each beside its twin that names nothing."""
    there = company.elsewhere()
    moved = {value for name, value in there.facts.items() if value != company.facts[name]}
    for operation in operations:
        for twin in twins(operation, company, there):
            if twin.foreign.sent & moved:
                yield twin


async def test_lists_show_what_is_here_and_nothing_of_elsewhere(
    http: httpx.AsyncClient, company: Company, caller: Headers, telling: frozenset[bytes]
) -> None:
    told = []
    for operation in (o for o in open_to(guarded(), caller) if o.is_safe):
        queries: list[dict[str, Any]] = [company.fill(operation.query)]
        needs = any(parameter.get("required") for parameter in operation.parameters("query"))
        if not needs and operation.id not in NAMED:
            queries.append({})
        for query in queries:
            answer = await http.get(company.path(operation.path), params=query, headers=on(operation, caller))

            if operation.id in OWN:
                assert answer.status_code == 404, f"{operation.id} {answer.text}"
                continue
            assert answer.status_code == 200, f"{operation.id} {answer.text}"
            said = frozenset({company.facts["otherLocationId"]} if operation.id in REPEATS else ())
            told += [(operation.id, word) for word in leaks(answer, telling, said)]

    assert told == []


async def test_what_stands_elsewhere_cannot_be_read(
    http: httpx.AsyncClient, company: Company, caller: Headers, telling: frozenset[bytes]
) -> None:
    different, told = [], []
    for twin in elsewhere(company, [o for o in open_to(guarded(), caller) if o.is_safe]):
        foreign, unknown = await twin.foreign.send(http, caller), await twin.unknown.send(http, caller)
        if not seen_alike(twin, foreign, unknown):
            different.append((twin.operation.id, twin.place, foreign.text[:200], unknown.text[:200]))
        told += [(twin.operation.id, twin.place, word) for word in leaks(foreign, telling, twin.foreign.sent)]

    assert different == []
    assert told == []


async def test_what_stands_elsewhere_cannot_be_changed(
    http: httpx.AsyncClient, admin: Connection, company: Company, caller: Headers, telling: frozenset[bytes]
) -> None:
    before = await at_the_other(admin, company)
    refused: dict[tuple[str, str], str] = {}
    told = []
    for twin in elsewhere(company, open_to(unsafe(), caller)):
        answer = await twin.foreign.send(http, caller)
        refused[twin.operation.id, twin.place] = how_refused(twin.operation, answer)
        # The refusal may say which location one was kept from.
        said = twin.foreign.sent | {company.facts["otherLocationId"]}
        told += [(twin.operation.id, twin.place, word) for word in leaks(answer, telling, said)]

    show("P-36", location_scope=True, attempts=len(refused), leaks=len(told))
    assert await at_the_other(admin, company) == before
    assert told == []
    allowed = {place for place, answer in refused.items() if answer not in REFUSALS}
    assert {(operation, place.rpartition(" ")[2]) for operation, place in allowed} <= NAMED_ONLY


def how_refused(operation: Operation, answer: httpx.Response) -> str:
    if operation.id == "integrationsSetInventory" and answer.is_success:
        data = answer.json()["data"]
        return "404 NOT_FOUND" if data["failed"] == data["total"] else "200"
    return f"{answer.status_code} {'' if answer.is_success else code_of(operation, answer)}"


def of_sessions() -> list[Operation]:
    """The others tell whoever names another location that there is no such place."""
    return [operation for operation in unsafe() if operation.surface is Surface.SESSION]


def is_about_a_place(operation: Operation) -> bool:
    names = re.findall(r"\{([a-z]\w*)\}", f"{operation.path} {msgspec.json.encode(operation.example).decode()}")
    return any(known_as(name) in dict(ELSEWHERE) for name in names)


@pytest.mark.parametrize("operation", [o for o in of_sessions() if is_about_a_place(o)], ids=named)
async def test_a_write_that_is_about_elsewhere_altogether_is_denied(
    http: httpx.AsyncClient, company: Company, caller: Headers, operation: Operation
) -> None:
    there = company.elsewhere()
    path, body = there.path(operation.path), there.fill(operation.example)

    answer = await http.request(operation.method, path, json=body, headers=dict(caller))

    assert answer.status_code == 403, answer.text
    assert answer.json()["details"]["code"] == "LOCATION_DENIED"


def asked(operation: Operation, company: Company) -> Iterator[dict[str, Any]]:
    """A read as its example has it, by itself, by each of its choices, and looking for what is elsewhere."""
    yield company.fill(operation.query)
    yield {}
    for parameter in operation.parameters("query"):
        schema = parameter["schema"]
        for part in (schema, *schema.get("anyOf", ())):
            yield from ({parameter["name"]: choice} for choice in part.get("enum", ()))
        if parameter["name"] == "search":
            yield from ({"search": text} for text in (company.mark, *ELSEWHERE_CODES))


async def all_that_is_shown(
    http: httpx.AsyncClient, company: Company, caller: Headers
) -> dict[tuple[str, str], tuple[int, str]]:
    """Every read of the caller's, whatever it adds up, lists or exports.

    Positions of events are the tenant's, wherever something happens, like the one in `X-Ledger-Position`.
    """
    shown = {}
    for operation in (o for o in open_to(guarded(), caller) if o.is_safe):
        for query in asked(operation, company):
            answer = await http.get(company.path(operation.path), params=query, headers=on(operation, caller))
            shown[operation.id, str(query)] = (
                answer.status_code,
                OF_THE_MOMENT.sub("", answer.text),
            )
    return shown


@pytest.mark.parametrize("kind", ["session", "key"])
async def test_whatever_happens_elsewhere_changes_nothing_of_what_is_shown_here(
    http: httpx.AsyncClient, admin: Connection, found: Founding, kind: str
) -> None:
    company = await found()
    here, there = UUID(company.facts["locationId"]), company.elsewhere()
    everything = await everybody(admin, company)
    caller: Headers = await everybody(admin, company, at=here)
    if kind == "session":
        caller = await a_person(admin, company, await add_user(admin, company, "admin", location_id=here))
    mixed = [{"inventoryItemId": place.facts["inventoryItemId"], **ADDED} for place in (company, there)]
    both = await http.post("/api/inventory/adjust", json={"items": company.fill(mixed)}, headers=dict(everything))
    assert both.is_success, both.text
    before, elsewhere_before = [await all_that_is_shown(http, company, who) for who in (caller, everything)]

    done = []
    # What another surface can put out of use it does last.
    for operation in sorted(filter(is_about_a_place, unsafe()), key=lambda o: o.surface is not Surface.SESSION):
        for body in (body for body in bodies(operation) if SHARED.isdisjoint(body or ())):
            path = there.path(operation.path)
            answer = await http.request(
                operation.method, path, json=there.fill(body), headers=on(operation, everything)
            )
            done += [operation.id] if answer.is_success else []
    after, elsewhere_after = [await all_that_is_shown(http, company, who) for who in (caller, everything)]

    assert {"receiveInventory", "issueInventory", "adjustInventory", "changeLocation", "changeBin"} <= set(done)
    noticed = {question[0] for question in before if elsewhere_before[question] != elsewhere_after[question]}
    assert {"listInventory", "getInventoryAnalytics", "listMovements", "listAudit", "listApiKeys"} <= noticed
    show("P-36", location_scope=True, questions=len(before), credential=kind)
    changed = [question for question in before if before[question] != after[question]]
    assert [(question, before[question], after[question]) for question in changed] == []
