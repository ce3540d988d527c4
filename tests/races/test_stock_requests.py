"""Stock requests under races: each step happens once, and no line, claim or balance ever disagrees (P-10)."""

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_requests import StockRequestController
from infra.db.pool import Database
from infra.ledger.verify import verify
from tests.e2e.ledger_writes.site import Site, an_api
from tests.e2e.stock_requests.asking import ALL, PATH, Office
from tests.lab import DatabaseUrls
from tests.ledger.promises import show

RACERS = 4
CONTROLLERS = (ApprovalRuleController, StockRequestActController, StockRequestController)
RACES = {
    "submit": ("DRAFT", ("submit", "submit")),
    "submit or delete": ("DRAFT", ("submit", "delete")),
    "approve": ("PENDING_APPROVAL", ("approve", "approve")),
    "approve or reject": ("PENDING_APPROVAL", ("approve", "reject")),
    "approve or cancel": ("PENDING_APPROVAL", ("approve", "cancel")),
    "approve or roll back": ("PENDING_APPROVAL", ("approve", "rollback")),
    "roll back an approval or pick": ("APPROVED", ("rollback", "pick")),
    "issue": ("PICKING", ("issue", "issue")),
    "issue or cancel": ("PICKING", ("issue", "cancel")),
    "receive": ("ISSUED", ("receive", "receive")),
    "receive or roll back": ("ISSUED", ("receive", "rollback")),
}


@pytest.fixture
async def office(database_urls: DatabaseUrls) -> AsyncGenerator[Office]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=12)
    try:
        yield await Office.open(an_api(database, CONTROLLERS), await Site(admin, database).build())
    finally:
        await database.close()
        await admin.close()


async def act(office: Office, person: Any, request: Any, action: str, **more: Any) -> Any:
    """One try of an action, for the version that was seen if one is named."""
    if action == "delete":
        return await person.http.delete(f"{PATH}/{request['id']}", params=more)
    if action in {"pick", "issue", "receive", "cancel"}:
        return await person.tries("status", request, action=action, **more)
    return await person.tries(action, request, **more, **({"comment": "No"} if action == "reject" else {}))


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("rounds", [2, pytest.param(250, marks=pytest.mark.long)])
async def test_of_those_who_saw_the_same_version_one_succeeds(office: Office, race: str, rounds: int) -> None:
    state, actions = RACES[race]
    people = [await office.person(*ALL, role="supervisor") for _ in range(RACERS)]
    for _ in range(rounds):
        await office.site.put("BOLT", 5)
        request = await office.in_state(state)
        answers = await asyncio.gather(
            *(
                act(office, person, request, actions[n % len(actions)], expectedVersion=request["version"])
                for n, person in enumerate(people)
            )
        )

        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200, 409, 409, 409], [answer.text for answer in answers]
        assert {answer.json()["details"]["code"] for answer in answers if answer.status_code == 409} == {
            "STALE_VERSION"
        }
    show("P-10", transition=f"stock request: {race}", races=rounds, racers=RACERS, successes_each=1)
    assert await office.odd_lines() == []
    assert await office.site.drift() == []


async def test_whatever_happens_at_once_the_lines_claims_and_balances_agree(office: Office) -> None:
    """Approve, cancel, roll back, pick, issue, receive and loss of stock, all at once and in no order."""
    dice = random.Random(10)
    people = [await office.person(*ALL, role="supervisor") for _ in range(3)]
    line_id = await office.site.put("BOLT", 60)
    requests = [await office.pending(("BOLT", dice.randint(2, 8))) for _ in range(8)]
    done = {"steps": 0, "refused": 0}

    async def wander(person: Any, dice: random.Random) -> None:
        for _ in range(20):
            request = await person.sees(dice.choice(requests))
            possible = sorted(set(request["allowedActions"]) - {"comment", "update", "delete"})
            if not possible or dice.random() < 0.1:
                possible = ["approve", "rollback", "issue", "cancel"]
            action = dice.choice(
                [one for one in possible if one != "cancel" or dice.random() < 0.3] or ["rollback"]
            )
            seen = {"expectedVersion": request["version"]} if action == "approve" else {}
            answer = await act(office, person, request, action, **seen)
            assert answer.status_code in {200, 400, 403, 409}, answer.text
            done["steps" if answer.status_code == 200 else "refused"] += 1

    async def lose() -> None:
        for _ in range(5):
            stands = await office.site.admin.fetchval(
                "SELECT on_hand FROM stock_lines WHERE tenant_id = $1 AND id = $2", office.site.tenant_id, line_id
            )
            if stands >= 4:
                await office.site.move(line_id, -4)
            await asyncio.sleep(0)

    await asyncio.gather(*(wander(person, random.Random(n)) for n, person in enumerate(people)), lose())

    assert done["steps"] > 0
    assert await office.odd_lines() == []
    assert await office.site.drift() == []
    assert (await verify(office.site.admin, office.site.tenant_id)).drifts == ()
    lines = await office.site.admin.fetch(
        "SELECT * FROM stock_request_lines WHERE tenant_id = $1", office.site.tenant_id
    )
    assert all(line["requested"] == line["issued"] + line["open"] + line["canceled"] for line in lines)
    assert all(line["reserved"] <= (line["approved"] or 0) for line in lines)
    show("P-10", transition="stock requests: any at once", **done, disagreements=0)
