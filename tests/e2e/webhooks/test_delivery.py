"""What becomes of events whose receiver is ill, gone, or not to be told any more."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.access.model import Act, Caller, Permission
from domain.values import new_id
from domain.webhooks.addresses import Address
from domain.webhooks.delivering import Pace
from domain.webhooks.model import SECRETS_MAX, Sent
from domain.webhooks.model import TestCall as Called
from domain.webhooks.service import (
    change_webhook,
    delete_webhook,
    pause_webhook,
    redeliver,
    replay,
    resume_webhook,
    rotate_secret,
)
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.db.pool import Database
from infra.db.work import beginning
from infra.webhooks.courier import HttpCourier
from infra.webhooks.dispatcher import ENDPOINTS_MAX, Dispatcher
from infra.webhooks.testing import TestSqlWork as CallSqlWork
from infra.webhooks.work import WebhookSqlWork
from tests.e2e.webhooks.dispatching import HASTE, RULES, dispatcher_of
from tests.e2e.webhooks.endpoints import Endpoint, Site, a_site, an_endpoint, move
from tests.e2e.webhooks.receiver import Does, Receiver, a_receiver, is_signed
from tests.lab import DatabaseUrls

type Connection = asyncpg.Connection[Any]

STATE = "SELECT state, paused_reason FROM webhooks WHERE id = $1"
CURSOR = "SELECT * FROM webhook_cursors WHERE webhook_id = $1"
LETTERS = "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY position"


@pytest.fixture
async def site(admin: Connection, urls: DatabaseUrls) -> Site:
    return await a_site(admin, urls.admin_url)


@asynccontextmanager
async def dispatching(database: Database, pace: Pace = HASTE) -> AsyncGenerator[Dispatcher]:
    dispatcher = dispatcher_of(database, pace=pace, lease_seconds=15)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()


async def becomes(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while (found := await look()) != wanted:  # noqa: ASYNC110 - the database has no event to wait for
            await asyncio.sleep(0.02)
    assert found == wanted


async def is_paused(admin: Connection, endpoint: Endpoint, reason: str) -> None:
    async def look() -> tuple[Any, ...]:
        return tuple(await admin.fetchrow(STATE, endpoint.id) or ())

    await becomes(look, ("PAUSED", reason))


async def letters(admin: Connection, endpoint: Endpoint) -> list[tuple[int, str]]:
    return [(row["position"], row["state"]) for row in await admin.fetch(LETTERS, endpoint.id)]


async def paused_events(admin: Connection, site: Site) -> list[Any]:
    rows = await admin.fetch(
        "SELECT payload FROM events WHERE tenant_id = $1 AND type = 'webhook.paused.v1'", site.tenant_id
    )
    return [msgspec.json.decode(row["payload"]) for row in rows]


def an_act(site: Site) -> Act:
    """Somebody who may do everything."""
    caller = Caller(
        tenant_id=site.tenant_id,
        tenant_slug="test",
        tenant_name="Test",
        principal_id=site.key_id,
        user_id=None,
        actor="ERP",
        session_id=None,
        key_id=site.key_id,
        roles=(),
        rights=dict.fromkeys(Permission),
    )
    return Act(caller=caller, permission=Permission.WEBHOOKS_WRITE, operation="test", request_id="test")


async def test_a_receiver_that_is_gone_is_left_alone_and_nothing_is_lost(
    admin: Connection, database: Database, site: Site
) -> None:
    async with a_receiver(lambda _: Does.GONE) as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await is_paused(admin, endpoint, "GONE")

    assert len(receiver.calls) == 1
    assert await letters(admin, endpoint) == [(1, "PENDING")]
    (told,) = await paused_events(admin, site)
    assert (told["id"], told["reason"]) == (str(endpoint.id), "GONE")
    assert receiver.url not in msgspec.json.encode(told).decode()


async def test_what_fails_too_often_is_a_dead_letter_and_what_waited_behind_it_goes_on(
    admin: Connection, database: Database, site: Site
) -> None:
    is_ill = True

    def behave(event: Any) -> Does:
        return Does.FAIL if event["position"] == 1 and is_ill else Does.ACCEPT

    pace = msgspec.structs.replace(HASTE, attempts_max=3)
    async with a_receiver(behave) as receiver, dispatching(database, pace):
        endpoint = await an_endpoint(admin, site, receiver.url)
        for _ in range(2):
            await move(database, site)
        await move(database, site, product=1)
        await becomes(lambda: letters(admin, endpoint), [(1, "DEAD")])
        await receiver.until(lambda: len(receiver.accepted) == 2)
        before = [call.event["position"] for call in receiver.calls]
        (letter,) = await admin.fetch(LETTERS, endpoint.id)
        is_ill = False
        async with beginning(database, WebhookSqlWork)(an_act(site)) as work:
            await redeliver(work, act=an_act(site), webhook_id=endpoint.id, delivery_id=letter["id"])
        await receiver.until(lambda: 1 in {call.event["position"] for call in receiver.accepted})
        await becomes(lambda: letters(admin, endpoint), [])

    assert (letter["attempts"], letter["status"], letter["error"]) == (3, 500, "The receiver answered 500")
    # The second is of the same line and waited for the first; the third is not and did not.
    assert before.count(1) == 3
    assert before.index(3) < before.index(2) > max(n for n, one in enumerate(before) if one == 1)
    assert len({call.id for call in receiver.calls if call.event["position"] == 1}) == 1


async def test_a_receiver_that_only_fails_is_paused_and_goes_on_when_it_is_resumed(
    admin: Connection, database: Database, site: Site
) -> None:
    does = Does.FAIL
    pace = msgspec.structs.replace(HASTE, rest_after=2, pause_after=4)
    async with a_receiver(lambda _: does) as receiver, dispatching(database, pace):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await is_paused(admin, endpoint, "FAILING")
        failures = len(receiver.calls)
        does = Does.ACCEPT
        await admin.execute(
            "UPDATE webhooks SET state = 'ACTIVE', paused_reason = NULL WHERE id = $1", endpoint.id
        )
        await admin.execute("UPDATE webhook_cursors SET resting_until = NULL, failures = 0")
        await receiver.until(lambda: len(receiver.accepted) == 2)

    assert failures == 4
    # Of different things, so that none of them waits for the other.
    told = {call.event["type"] for call in receiver.accepted}
    assert told == {"inventory.adjusted.v1", "webhook.paused.v1"}


def moved(receiver: Receiver) -> int:
    """How many movements it has accepted."""
    return sum(call.event["type"] == "inventory.adjusted.v1" for call in receiver.accepted)


async def test_old_dead_letters_do_not_pause_a_receiver_that_is_well_again(
    admin: Connection, database: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.webhooks.dispatcher.DEAD_MAX", 1)
    does = Does.FAIL
    pace = msgspec.structs.replace(HASTE, attempts_max=1)
    async with a_receiver(lambda _: does) as receiver, dispatching(database, pace):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await is_paused(admin, endpoint, "FAILING")
        does = Does.ACCEPT
        async with beginning(database, WebhookSqlWork)(an_act(site)) as work:
            await resume_webhook(work, act=an_act(site), webhook_id=endpoint.id, expected_version=None)
        for n in range(1, 3):  # the second comes in a round of its own
            await move(database, site)
            await receiver.until(lambda n=n: moved(receiver) == n)  # type: ignore[misc] # its own n
        state = await admin.fetchval("SELECT state FROM webhooks WHERE id = $1", endpoint.id)

    assert state == "ACTIVE"
    assert [state for _, state in await letters(admin, endpoint)] == ["DEAD"]


async def test_what_breaks_at_an_endpoint_is_not_begun_again_at_once(
    admin: Connection, database: Database, site: Site
) -> None:
    asked = 0

    async def broken(*_: object) -> list[Address]:
        nonlocal asked
        asked += 1
        raise RuntimeError

    policy = LazyPolicy(SqlAccess(database))
    courier = HttpCourier(RULES, HASTE, resolver=broken)
    dispatcher = Dispatcher(database, policy, RULES, pace=HASTE, courier=courier, every=0.01)
    await an_endpoint(admin, site, "http://hooks.example/hook")
    await move(database, site)
    for _ in range(2):
        await dispatcher.look()
        await asyncio.gather(*dispatcher._serving.values())

    assert asked == 1


async def test_a_receiver_that_asks_for_rest_gets_it(admin: Connection, database: Database, site: Site) -> None:
    async with a_receiver(lambda _: Does.BUSY) as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)

        async def look() -> bool:
            row = await admin.fetchrow(CURSOR, endpoint.id)
            return row is not None and row["resting_until"] is not None

        await becomes(look, wanted=True)
        row = await admin.fetchrow(
            "SELECT resting_until > now() + interval '100 seconds' AS rests FROM webhook_cursors "
            "WHERE webhook_id = $1",
            endpoint.id,
        )

    assert row is not None
    assert row["rests"]
    assert len(receiver.calls) == 1


async def test_a_maker_who_may_read_events_no_more_stops_their_endpoint(
    admin: Connection, database: Database, site: Site
) -> None:
    async with a_receiver() as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await receiver.until(lambda: len(receiver.calls) == 1)
        await admin.execute("UPDATE api_keys SET scopes = '{inventory.read}' WHERE id = $1", site.key_id)
        await move(database, site)
        await is_paused(admin, endpoint, "RIGHTS_LOST")

    assert len(receiver.calls) == 1


async def test_what_is_sent_is_what_the_maker_may_see_by_now(
    admin: Connection, database: Database, site: Site
) -> None:
    here, _ = site.warehouse.locations
    async with a_receiver() as receiver, dispatching(database):
        await an_endpoint(admin, site, receiver.url)
        await move(database, site, location=1)
        await receiver.until(lambda: len(receiver.calls) == 1)
        await admin.execute("UPDATE api_keys SET location_ids = $2 WHERE id = $1", site.key_id, [here])
        await move(database, site, location=1)
        await move(database, site, location=0)
        await receiver.until(lambda: len(receiver.calls) == 2)

    assert [call.event["position"] for call in receiver.calls] == [1, 3]
    assert receiver.calls[-1].event["locationIds"] == [str(here)]


async def test_an_endpoint_gets_the_types_and_the_locations_that_it_is_for(
    admin: Connection, database: Database, site: Site
) -> None:
    here, there = site.warehouse.locations
    async with a_receiver() as receiver, dispatching(database):
        await an_endpoint(admin, site, receiver.url, types=["webhook.*"])
        await an_endpoint(admin, site, receiver.url, types=["inventory.adjusted.v1"], location_ids=[there])
        for location in (0, 1, 0, 1):
            await move(database, site, location=location)
        await receiver.until(lambda: len(receiver.calls) == 2)

    assert [call.event["position"] for call in receiver.calls] == [2, 4]
    assert {place for call in receiver.calls for place in call.event["locationIds"]} == {str(there)}
    assert here != there


@pytest.mark.parametrize("what", ["paused", "changed", "deleted"])
async def test_what_is_being_sent_stops_when_the_endpoint_is_paused_changed_or_deleted(
    admin: Connection, database: Database, site: Site, what: str
) -> None:
    act, patient = an_act(site), msgspec.structs.replace(HASTE, read_seconds=600, total_seconds=600)
    dispatcher = dispatcher_of(database, pace=patient, lease_seconds=1)
    async with a_receiver(lambda _: Does.HANG) as receiver:
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await dispatcher.look()
        await receiver.until(lambda: len(receiver.calls) == 1)
        async with beginning(database, WebhookSqlWork)(act) as work:
            if what == "paused":
                await pause_webhook(work, act=act, webhook_id=endpoint.id, expected_version=None)
            elif what == "deleted":
                await delete_webhook(work, act=act, webhook_id=endpoint.id)
            else:
                changes = {"types": ("transfer.*",)}
                await change_webhook(
                    work, act=act, webhook_id=endpoint.id, changes=changes, rules=RULES, expected_version=1
                )

        async def is_served() -> bool:
            return bool(dispatcher._serving)

        try:
            await becomes(is_served, wanted=False)
        finally:
            await dispatcher.stop()

    assert len(receiver.calls) == 1


async def test_an_endpoint_is_deleted_beside_a_test_call_that_is_being_written_down(
    admin: Connection, database: Database, site: Site
) -> None:
    act = an_act(site)
    endpoint = await an_endpoint(admin, site, "http://hooks.example/hook")
    sent = Sent(status=200, error=None, response=None, duration_ms=1)

    async def deleted() -> None:
        async with beginning(database, WebhookSqlWork)(act) as work:
            await delete_webhook(work, act=act, webhook_id=endpoint.id)

    async def waits() -> bool:
        return bool(
            await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )

    async with beginning(database, CallSqlWork)(act) as work:
        assert await work.keep(endpoint.id, Called(message_id="msg_test", sent=sent)) is not None
        deleting = asyncio.create_task(deleted())
        await becomes(waits, wanted=True)
    await deleting

    assert await admin.fetchval("SELECT count(*) FROM webhook_attempts WHERE webhook_id = $1", endpoint.id) == 0


async def test_slow_receivers_of_one_tenant_do_not_keep_another_waiting(
    admin: Connection, database: Database, site: Site, urls: DatabaseUrls
) -> None:
    other = await a_site(admin, urls.admin_url)
    patient = msgspec.structs.replace(HASTE, read_seconds=600, total_seconds=600)
    async with a_receiver(lambda _: Does.HANG) as slow, a_receiver() as quick:
        for _ in range(ENDPOINTS_MAX + 1):
            await an_endpoint(admin, site, slow.url)
        endpoint = await an_endpoint(admin, other, quick.url)
        await admin.execute("UPDATE webhook_cursors SET attempted_at = now() WHERE webhook_id = $1", endpoint.id)
        for one in (site, other):
            await move(database, one)
        async with dispatching(database, patient):
            await quick.until(lambda: len(quick.calls) == 1, seconds=60)

    assert is_signed(quick.calls[0], endpoint.secret)


async def test_two_dispatchers_do_not_serve_an_endpoint_at_once(
    admin: Connection, database: Database, site: Site
) -> None:
    async with a_receiver() as receiver, dispatching(database), dispatching(database), dispatching(database):
        await an_endpoint(admin, site, receiver.url)
        for n in range(40):
            await move(database, site, product=n % 5)
        await receiver.until(lambda: len({call.id for call in receiver.calls}) == 40)

    assert len(receiver.calls) == 40


async def test_while_secrets_overlap_there_is_a_signature_by_each(
    admin: Connection, database: Database, site: Site
) -> None:
    begin = beginning(database, WebhookSqlWork)
    async with a_receiver() as receiver:
        endpoint = await an_endpoint(admin, site, receiver.url)
        async with begin(an_act(site)) as work:
            told = await rotate_secret(work, act=an_act(site), webhook_id=endpoint.id)
        async with dispatching(database):
            await move(database, site)
            await receiver.until(lambda: len(receiver.calls) == 2)
            await admin.execute(
                "UPDATE webhook_secrets SET ends_at = now() WHERE webhook_id = $1 AND secret = $2",
                endpoint.id,
                endpoint.secret,
            )
            await move(database, site)
            await receiver.until(lambda: len(receiver.calls) == 3)

    first, _, last = receiver.calls
    assert len(first.headers["webhook-signature"].split(" ")) == 2
    assert is_signed(first, endpoint.secret)
    assert is_signed(first, told.secret)
    assert is_signed(last, told.secret)
    assert not is_signed(last, endpoint.secret)
    assert told.secret not in repr(told)
    assert SECRETS_MAX > 1


async def test_a_replay_sends_again_under_the_same_ids(admin: Connection, database: Database, site: Site) -> None:
    begin = beginning(database, WebhookSqlWork)
    async with a_receiver() as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url, types=["inventory.*"])
        for _ in range(3):
            await move(database, site)
        await receiver.until(lambda: len(receiver.calls) == 3)
        async with begin(an_act(site)) as work:
            await replay(work, act=an_act(site), webhook_id=endpoint.id, after=1, expected_version=None)
        await receiver.until(lambda: len(receiver.calls) == 5)

    ids = [call.id for call in receiver.calls]
    assert ids[3:] == ids[1:3]


async def test_an_event_that_is_too_large_comes_without_its_data(
    admin: Connection, database: Database, site: Site
) -> None:
    large = msgspec.json.encode({"note": "x" * 300_000}).decode()
    async with a_receiver() as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url)
        async with database.bound(site.tenant_id) as driver:
            await driver.fetchval(
                "SELECT event_append('inventory.adjusted.v1', 'posting', $1, '{}', $2, 'test')", new_id(), large
            )
        await receiver.until(lambda: len(receiver.calls) == 1)

    (call,) = receiver.calls
    assert (call.event["data"], call.event["dataOmitted"]) == (None, True)
    assert is_signed(call, endpoint.secret)


async def test_no_secret_is_logged_or_written_on_record(
    admin: Connection, database: Database, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    async with a_receiver(lambda _: Does.FAIL) as receiver, dispatching(database):
        endpoint = await an_endpoint(admin, site, receiver.url)
        await move(database, site)
        await receiver.until(lambda: len(receiver.calls) > 2)

    bare = endpoint.secret.removeprefix("whsec_")
    written = await admin.fetchval(
        "SELECT count(*) FROM audit_log a WHERE a::text LIKE '%' || $1 || '%'", bare
    ) + await admin.fetchval("SELECT count(*) FROM webhook_attempts a WHERE a::text LIKE '%' || $1 || '%'", bare)
    assert written == 0
    assert bare not in "".join(capfd.readouterr())
