"""The demonstration, loaded into a real database through the product's own path."""

import datetime as dt
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from domain.access.credentials import hash_of
from domain.availability.holding import HoldType
from domain.availability.matrix import MatrixWanted, matrix
from domain.availability.model import Limit, Severity
from domain.counting.model import Resolution
from domain.counting.model import State as BatchState
from domain.replenishment.flow import State
from domain.replenishment.model import Method
from domain.stock_requests.model import RequestState
from domain.transfers.model import TransferState
from infra.access.passwords import Argon2Passwords
from infra.access.provision import create_tenant, find_tenant
from infra.availability.matrix import SqlMatrixReads
from infra.db.pool import Database
from infra.demo.load import DemoReport, has_demo
from infra.demo.places import DC, LOCATIONS
from infra.demo.plan import Plan
from infra.demo.rows import COLUMNS, DemoDataError, read_csv
from infra.ledger.verify import verify
from infra.postgres import Running
from tests.demo_lab import BATCH, Demo, load_into, write_csv
from tests.lab import DatabaseUrls, Served, a_database
from tests.property.demo_warehouse import a_demo_month, everybody_has_worked

type Fresh = Callable[[], DatabaseUrls]


@pytest.fixture(scope="module")
def source(demo_source: Path) -> Path:
    return demo_source


@pytest.fixture
def fresh(cluster: Running, template: str) -> Iterator[Fresh]:
    """Databases with nothing in them."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(a_database(cluster, template))


@pytest.fixture(scope="module")
def database_urls(cluster: Running, demo: Demo) -> Iterator[DatabaseUrls]:
    """The module's database, in which the demonstration is."""
    with a_database(cluster, demo.template) as urls:
        yield urls


@pytest.fixture(scope="module")
def loaded(demo: Demo) -> DemoReport:
    return demo.report


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


class CutOffError(Exception):
    """The power goes, in the middle of it."""


def cut_after(lines: int) -> Callable[[str, int, int], None]:
    def progress(title: str, done: int, of: int) -> None:
        if title.startswith("Posting") and lines < done < of:
            raise CutOffError

    return progress


def planned(source: Path) -> tuple[Plan, Counter[tuple[str, str, str, str]], int]:
    """The plan, what it leaves on hand by product, location, bin and lot, and its movements."""
    plan = Plan(lambda: read_csv(source))
    hand = Counter[int]()
    movements = 0
    lines, lots = [], []
    for batch in plan.batches():
        lines += batch.lines
        lots += batch.lots
        movements += batch.movements
        for step in batch.steps:
            for number, qty in step.lines:
                hand[number] += qty
    named = Counter[tuple[str, str, str, str]]()
    for number, qty in hand.items():
        line = lines[number]
        lot = "" if line.lot is None else lots[line.lot].number
        sku = plan.assortment.products[line.product].sku
        named[sku, LOCATIONS[line.location].code, plan.shelving.bins[line.bin].code, lot] += qty
    return plan, named, movements


async def test_the_ledger_holds_what_the_plan_says(
    loaded: DemoReport, source: Path, admin: "asyncpg.Connection[Any]"
) -> None:
    plan, hand, movements = planned(source)
    rows = await admin.fetch(
        """
        SELECT p.sku, l.code AS place, b.code AS bin, t.number, m.on_hand FROM stock_lines s
        JOIN products p ON p.id = s.product_id JOIN locations l ON l.id = s.location_id
        JOIN bins b ON b.id = s.bin_id JOIN lots t ON t.id = s.lot_id
        -- as the plan leaves them: what is made up for today's documents comes after it
        JOIN (SELECT line_id, sum(delta) AS on_hand FROM movements WHERE position <= $1 GROUP BY 1) m
            ON m.line_id = s.id
        """,
        movements,
    )
    assert {(row["sku"], row["place"], row["bin"], row["number"]): row["on_hand"] for row in rows} == hand
    assert (loaded.stock_lines, loaded.movements) == (len(hand), movements)
    later = await admin.fetchval("SELECT count(*) FROM movements WHERE position > $1", movements)
    assert 0 < later < 100
    assert await admin.fetchval("SELECT position FROM ledger_heads") == movements + later
    assert sum(loaded.counts.values()) == loaded.order_lines == plan.tally.rows
    assert loaded.already_there == 0


async def test_goods_wait_at_the_docks_and_on_tasks(loaded: DemoReport, admin: "asyncpg.Connection[Any]") -> None:
    states = await admin.fetch("SELECT state, count(*) AS tasks FROM put_away_tasks GROUP BY 1")
    ready = await admin.fetchval(
        "SELECT count(*) FROM stock_lines s JOIN bins b ON b.id = s.bin_id "
        "WHERE b.type = 'RECEIVING' AND s.on_hand > s.reserved"
    )

    assert loaded.stock_lines
    assert {row["state"] for row in states} == {"PENDING", "IN_PROGRESS", "COMPLETED"}
    assert ready > 2


async def test_transfers_are_in_every_state_and_some_are_under_way(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    states = await admin.fetch("SELECT state FROM transfers")
    under_way = await admin.fetchval(
        "SELECT sum(s.on_hand) FROM stock_lines s JOIN locations l ON l.id = s.location_id "
        "WHERE l.type = 'IN_TRANSIT'"
    )

    assert loaded.stock_lines
    assert {row["state"] for row in states} == set(TransferState)
    assert under_way == 24 + 8 + 24 + 12, "of transfers, of a stock request, and of a replenishment"


async def test_stock_requests_are_in_every_state_and_wait_for_two_tiers(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    rows = await admin.fetch("SELECT state, current_tier FROM stock_requests")
    waiting = await admin.fetchval("SELECT count(*) FROM stock_request_lines WHERE backordered > 0")
    delegated = await admin.fetchval("SELECT count(*) FROM delegations WHERE ends_at > clock_timestamp()")

    assert loaded.stock_lines
    assert {row["state"] for row in rows} == set(RequestState)
    assert {row["current_tier"] for row in rows if row["state"] == "PENDING_APPROVAL"} == {1, 2}
    assert waiting > 0
    assert delegated == 1


async def test_counts_are_in_every_state_and_lines_of_them_end_in_every_way(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    batches = await admin.fetch("SELECT state, is_blind, line_count, counted_count FROM cycle_counts")
    states = await admin.fetch("SELECT DISTINCT state FROM cycle_count_lines")
    counters = await admin.fetch("SELECT DISTINCT counter FROM cycle_count_entries")
    ended = await admin.fetch(
        "SELECT DISTINCT c.resolution FROM cycle_count_lines c JOIN cycle_counts b ON b.id = c.batch_id "
        "WHERE b.state = 'COMPLETED'"
    )
    waiting = await admin.fetch(
        "SELECT c.variance * c.unit_cost > 25 FROM cycle_count_lines c JOIN cycle_counts b ON b.id = c.batch_id "
        "WHERE b.state = 'REVIEW' AND c.state = 'VARIANCE' AND c.round = 2 AND c.proposed_by IS NOT NULL"
    )

    assert {row["state"] for row in batches} == set(BatchState)
    assert [row["state"] for row in batches if row["is_blind"]] == [BatchState.IN_PROGRESS]
    assert all(0 < row["counted_count"] < row["line_count"] for row in batches if row["is_blind"])
    assert {row["state"] for row in states} >= {"PENDING", "COUNTED", "VARIANCE", "RECOUNT", "RESOLVED"}
    assert {row["counter"] for row in counters} == {"counter@demo.example", "manager@demo.example"}
    assert {row["resolution"] for row in ended} == set(Resolution)
    assert [row[0] for row in waiting] == [True], "one has been proposed, and is worth an approval"


async def test_replenishment_is_configured_for_a_part_and_recorded_in_every_state(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    methods = await admin.fetch("SELECT method, count(*) AS configs FROM stock_levels GROUP BY method")
    states = await admin.fetch("SELECT state FROM replenishment_orders")
    due = await admin.fetchval(
        "SELECT count(*) FROM stock_levels v JOIN stock_totals t USING (tenant_id, product_id, location_id) "
        "WHERE v.method = 'MIN_MAX' AND t.on_hand <= v.min_qty"
    )

    assert loaded.stock_lines
    assert {row["method"] for row in methods} >= set(Method)
    assert sorted(row["state"] for row in states) == sorted(State)
    assert due > 10


async def test_every_balance_is_the_sum_of_its_movements(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    drift = await admin.fetchval(
        """
        SELECT count(*) FROM stock_lines s WHERE s.on_hand <> (
            SELECT coalesce(sum(m.delta), 0) FROM movements m WHERE m.tenant_id = s.tenant_id AND m.line_id = s.id
        )
        """
    )
    assert drift == 0


async def test_postings_have_their_true_time_their_source_and_who_loaded_them(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    posting = await admin.fetchrow(
        """
        SELECT p.actor, p.kind, p.source_type, min(m.effective_at) AS at, count(*) AS movements
        FROM postings p JOIN movements m ON m.posting_id = p.id WHERE p.source_id = '581585' GROUP BY 1, 2, 3
        """
    )
    assert posting is not None
    assert (posting["actor"], posting["kind"]) == ("admin@demo.example", "ISSUE")
    assert posting["at"] == dt.datetime(2011, 12, 9, 12, 31, tzinfo=dt.UTC)
    assert posting["movements"] >= 21
    first = await admin.fetchval("SELECT min(effective_at) FROM movements")
    assert first == dt.datetime(2011, 12, 7, 20, tzinfo=dt.UTC)


async def test_corrections_have_a_reason_and_the_clerks_note(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    rows = await admin.fetch(
        """
        SELECT r.code, m.comment, count(*) AS times FROM movements m
        LEFT JOIN reason_codes r ON r.id = m.reason_code_id WHERE m.kind = 'ADJUSTMENT' GROUP BY 1, 2
        """
    )
    reasons = {(row["code"], row["comment"]): row["times"] for row in rows}
    assert {("DAMAGED", "smashed"), ("LOST", "missing"), ("OTHER", "No reason was given")} <= set(reasons)
    assert all(code and (comment or code == "EXPIRED") for code, comment in reasons)
    noted = sum(times for (code, _), times in reasons.items() if code != "EXPIRED")
    corrections = sum(lines for name, lines in loaded.counts.items() if name.startswith("adjusted"))
    assert noted >= corrections > 3  # what is taken from two lots is two movements


async def test_the_reorder_rule_stands_where_a_planner_looks_for_it(
    loaded: DemoReport, source: Path, admin: "asyncpg.Connection[Any]"
) -> None:
    plan = Plan(lambda: read_csv(source))
    rows = await admin.fetch(
        """
        SELECT p.sku, s.reorder_qty, s.max_qty, s.lead_time_days, s.abc_class, b.code AS bin FROM stock_levels s
        JOIN products p ON p.id = s.product_id JOIN bins b ON b.id = s.preferred_bin_id
        """
    )
    assert len(rows) == sum(product.abc == "A" for product in plan.assortment.products) > 50
    for row in rows:
        number = plan.assortment.number[row["sku"]]
        level, bin_ = plan.restock.level(number, DC), plan.shelving.pick_bin[DC][number]
        assert bin_ is not None
        assert (row["reorder_qty"], row["max_qty"]) == (level.low, level.full)
        assert (row["lead_time_days"], row["abc_class"]) == (plan.restock.lead_days(number), "A")
        assert row["bin"] == plan.shelving.bins[bin_].code


async def test_channels_share_the_stock_and_all_that_a_matrix_can_show_is_to_be_seen(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]", database_urls: DatabaseUrls
) -> None:
    tenant_id = await admin.fetchval("SELECT id FROM tenants WHERE slug = 'demo'")
    database = await Database.connect(database_urls.app_url, size=1)
    wanted = MatrixWanted(tenant_id=tenant_id, scope=None, limit=500, location_id=loaded.location_id)

    shown = await matrix(SqlMatrixReads(database), wanted)

    await database.close()
    cells = [cell for product in shown.products for cell in product.channels]
    assert shown.codes == ("MARKET", "TRADE", "WEB")
    assert {cell.severity for cell in cells} == set(Severity)
    assert {cell.terms.limit for cell in cells} >= {Limit.POOL, Limit.FENCE, Limit.CLOSED}
    ordered = "SELECT due_on < current_date FROM supplies WHERE tenant_id = $1 AND source_type = 'PURCHASE_ORDER'"
    late = await admin.fetch(ordered, tenant_id)
    assert Counter(row[0] for row in late) == {False: 54, True: 6}


async def test_some_stock_is_held_for_each_reason_and_some_lots_have_just_expired_or_will_soon(
    loaded: DemoReport, admin: "asyncpg.Connection[Any]"
) -> None:
    assert {row[0] for row in await admin.fetch("SELECT DISTINCT type FROM holds")} == set(HoldType)
    assert await admin.fetchval("SELECT count(*) FROM stock_lines WHERE held > 0 AND held < on_hand") > 0
    in_days = [
        row[0]
        for row in await admin.fetch(
            """
            SELECT t.expires_on - current_date FROM stock_lines s JOIN lots t ON t.id = s.lot_id
            WHERE s.on_hand > 0 AND t.expires_on IS NOT NULL
            """
        )
    ]
    assert any(days < 0 for days in in_days)
    assert any(0 <= days <= 30 for days in in_days)
    assert sum(days >= 0 for days in in_days) > len(in_days) / 2
    assert (await verify(admin, await admin.fetchval("SELECT id FROM tenants WHERE slug = 'demo'"))).drifts == ()


async def test_each_role_has_somebody_who_can_log_in(loaded: DemoReport, admin: "asyncpg.Connection[Any]") -> None:
    passwords = Argon2Passwords()
    assert {user.role for user in loaded.users} == {
        "admin",
        "manager",
        "controller",
        "operator",
        "counter",
        "supervisor",
        "planner",
        "requester",
        "viewer",
    }
    for user in loaded.users:
        row = await admin.fetchrow(
            "SELECT u.password_hash, g.role FROM users u JOIN grants g ON g.user_id = u.id WHERE u.email = $1",
            user.email,
        )
        assert row is not None
        assert row["role"] == user.role
        assert await passwords.matches(user.password, row["password_hash"])
    passwords.close()


def pasted(call: str, url: str) -> httpx.Response:
    """Send what curl would send."""
    command, *words = shlex.split(call.replace("{url}", url))
    assert command == "curl"
    headers, body, address = {}, None, ""
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                body = words.pop(0)
            case word:
                address = word
    return httpx.request("POST" if body else "GET", address, headers=headers, content=body)


async def test_the_calls_to_begin_with_work_when_pasted(loaded: DemoReport, served: Served) -> None:
    answers = [pasted(call, served.url) for call in loaded.calls]
    assert [answer.status_code for answer in answers] == [200, 200, 200], [answer.text for answer in answers]


async def test_asked_again_it_gives_a_new_key_and_posts_nothing(
    loaded: DemoReport, database_urls: DatabaseUrls, source: Path, admin: "asyncpg.Connection[Any]"
) -> None:
    assert await has_demo(database_urls.admin_url)
    before = await admin.fetchval("SELECT count(*) FROM movements")
    again = await load_into(database_urls, source)
    assert (again.movements, again.already_there) == (loaded.movements, loaded.movements)
    assert (again.counts, again.users) == (loaded.counts, loaded.users)
    assert await admin.fetchval("SELECT count(*) FROM movements") == before
    rows = await admin.fetch("SELECT key_hash, revoked_at IS NULL AS live FROM api_keys")
    live = {row["key_hash"] for row in rows if row["live"]}
    assert live == {hash_of(again.api_key)}
    assert all(again.api_key in call and "{url}" in call for call in again.calls)


async def test_another_slice_of_the_same_source_is_refused(
    loaded: DemoReport, database_urls: DatabaseUrls, source: Path
) -> None:
    with pytest.raises(DemoDataError, match="the demo tenant holds the whole year of its source"):
        await load_into(database_urls, source, days=1)


async def test_a_load_that_was_cut_off_goes_on_where_it_stopped(fresh: Fresh, source: Path) -> None:
    urls = fresh()
    assert not await has_demo(urls.admin_url)
    for lines in (1000, 3000):
        with pytest.raises(CutOffError):
            await load_into(urls, source, progress=cut_after(lines))
        assert not await has_demo(urls.admin_url)
    report = await load_into(urls, source)
    _, _, movements = planned(source)
    assert 2000 < report.already_there < report.movements == movements
    assert await has_demo(urls.admin_url)
    with pytest.raises(DemoDataError, match="holds"):
        await load_into(urls, source, days=2)


async def test_a_half_filled_tenant_is_not_gone_on_with_from_something_else(fresh: Fresh, source: Path) -> None:
    urls = fresh()
    with pytest.raises(CutOffError):
        await load_into(urls, source, progress=cut_after(1000))
    with pytest.raises(DemoDataError, match="half filled"):
        await load_into(urls, source, days=2)
    with pytest.raises(DemoDataError, match="half filled"):
        await load_into(urls, source, batch=BATCH + 1)


async def test_a_half_filled_tenant_in_which_others_posted_is_refused(fresh: Fresh, source: Path) -> None:
    urls = fresh()
    with pytest.raises(CutOffError):
        await load_into(urls, source, progress=cut_after(1000))
    connection = await asyncpg.connect(urls.admin_url)
    await connection.execute("UPDATE ledger_heads SET position = position + 1")
    await connection.close()
    with pytest.raises(DemoDataError, match="others have posted"):
        await load_into(urls, source)


async def test_a_file_without_goods_leaves_no_tenant_behind(fresh: Fresh, tmp_path: Path) -> None:
    urls = fresh()
    head = f"{','.join(COLUMNS)}\n"
    postage = write_csv(tmp_path, head + "536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,17850,France\n")
    with pytest.raises(DemoDataError, match="no order lines of goods"):
        await load_into(urls, postage)
    with pytest.raises(DemoDataError, match="no order lines"):
        await load_into(urls, write_csv(tmp_path, head, "empty.csv"))
    assert await find_tenant(urls.admin_url, "demo") is None


async def test_a_tenant_of_that_name_that_is_somebody_elses_is_left_alone(fresh: Fresh, source: Path) -> None:
    urls = fresh()
    await create_tenant(urls.admin_url, "demo", "A real business")
    with pytest.raises(DemoDataError, match="not the demonstration"):
        await load_into(urls, source)
    assert not await has_demo(urls.admin_url)


async def test_after_each_day_of_requests_the_books_the_claims_and_the_dashboards_agree(
    cluster: Running, demo: Demo
) -> None:
    with a_database(cluster, demo.template) as urls:
        async with a_demo_month(urls) as month:
            for _ in range(8):
                await month.day(requests=4)

            await everybody_has_worked(month)
