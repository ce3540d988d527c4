"""The demonstration's plan: postings in the order of time that any ledger must accept."""

import datetime as dt
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ledger.model import Kind
from infra.demo import packed
from infra.demo.assortment import since
from infra.demo.places import LOCATIONS
from infra.demo.plan import Batch, Plan, Step
from infra.demo.rows import DemoDataError, Row, read_csv
from infra.demo.stock import Lot, StockLine
from tests.demo_lab import as_csv
from tests.unit.test_demo_data import SAMPLE, write_sample

OUT_OF_RECEIVING = {Kind.ISSUE, Kind.TRANSFER_OUT}


class Done:
    """A plan carried out to its end, with the figures a test asks for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lots: list[Lot] = []
        self.lines: list[StockLine] = []
        self.steps: list[Step] = []
        for batch in plan.batches():
            self.lots += batch.lots
            self.lines += batch.lines
            self.steps += batch.steps

    def moves(self) -> Iterator[tuple[Step, StockLine, int]]:
        for step in self.steps:
            for number, qty in step.lines:
                yield step, self.lines[number], qty


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    _, columns = packed.read(packed.SHIPPED)
    return list(since(packed.from_columns(columns), dt.date(2011, 11, 24)))


@pytest.fixture(scope="module")
def done(rows: list[Row]) -> Done:
    return Done(Plan(lambda: iter(rows)))


def test_no_stock_line_ever_falls_below_zero(done: Done) -> None:
    balance = Counter[StockLine]()
    for step, line, qty in done.moves():
        balance[line] += qty
        assert balance[line] >= 0, (step, line)


def test_every_order_line_that_moves_stock_is_in_a_posting_with_its_pieces(done: Done, rows: list[Row]) -> None:
    tally = done.plan.tally
    assert tally.rows == len(rows) == done.plan.assortment.rows
    sold = sum(-qty for step, _, qty in done.moves() if step.kind is Kind.ISSUE)
    assert sold == sum(sum(demand.sold) for demand in done.plan.assortment.demand)
    returns = [step for step in done.steps if step.source_type == "CUSTOMER_RETURN"]
    assert sum(len(step.lines) for step in returns) == tally.returned
    assert all(step.kind is Kind.RECEIPT and step.source_id.startswith("C") for step in returns)


def test_transfers_add_up_to_zero_for_each_product_and_lot(done: Done) -> None:
    transfers = [step for step in done.steps if step.kind is Kind.TRANSFER_OUT]
    assert transfers
    for step in transfers:
        sums = Counter[tuple[int, int | None]]()
        for number, qty in step.lines:
            sums[done.lines[number].product, done.lines[number].lot] += qty
        assert set(sums.values()) == {0}


def test_postings_come_in_the_order_of_time(done: Done) -> None:
    times = [step.at for step in done.steps]
    assert times == sorted(times)


def test_only_the_morning_of_the_opening_comes_before_the_first_day(done: Done) -> None:
    opening = [step for step in done.steps if step.kind is Kind.OPENING]
    assert {step.at for step in opening} == {dt.datetime(2011, 11, 23, 20, tzinfo=dt.UTC)}
    assert done.steps[: len(opening)] == opening


def test_the_earliest_expiry_is_picked_first(done: Done) -> None:
    shelf: dict[tuple[int, int, int], Counter[int]] = defaultdict(Counter)
    picked = 0
    for step, line, qty in done.moves():
        if line.lot is None:
            continue
        here = shelf[line.location, line.bin, line.product]
        if step.kind in OUT_OF_RECEIVING and qty < 0:
            due = done.lots[line.lot].expires
            assert due == min(done.lots[lot].expires for lot, pieces in here.items() if pieces)
            assert due > step.at.date()
            picked += 1
        here[line.lot] += qty
    assert picked > 500


def test_lots_are_made_before_they_arrive_and_belong_to_products_that_are_kept_in_lots(done: Done) -> None:
    products = done.plan.assortment.products
    for step, line, _ in done.moves():
        assert (line.lot is not None) == products[line.product].has_lots
        if line.lot is not None:
            lot = done.lots[line.lot]
            assert lot.product == line.product
            assert lot.made <= step.at.date() < lot.expires or step.kind is not Kind.RECEIPT
    assert len({(lot.product, lot.number) for lot in done.lots}) == len(done.lots)


def test_returned_goods_with_lots_go_to_quarantine(done: Done) -> None:
    bins = done.plan.shelving.bins
    returned = [line for step, line, _ in done.moves() if step.source_type == "CUSTOMER_RETURN"]
    assert {bins[line.bin].type for line in returned if line.lot is not None} == {"QUARANTINE"}
    assert "QUARANTINE" not in {bins[line.bin].type for line in returned if line.lot is None}


def test_every_stock_line_lies_in_a_bin_of_its_location(done: Done) -> None:
    shelving = done.plan.shelving
    assert all(shelving.bins[line.bin].location == line.location for line in done.lines)
    assert len(set(done.lines)) == len(done.lines)
    codes = [(place.location, place.code) for place in shelving.bins]
    assert len(set(codes)) == len(codes)
    areas = {(area.location, area.code) for area in shelving.areas}
    assert {(place.location, place.area) for place in shelving.bins} == areas
    assert {place.location for place in shelving.bins} == set(range(len(LOCATIONS)))


def test_the_shops_are_fed_by_the_distribution_centre_alone(done: Done) -> None:
    places = {line.location for step, line, _ in done.moves() if step.source_type == "PURCHASE_ORDER"}
    assert places == {0}
    fed = {line.location for step, line, qty in done.moves() if step.kind is Kind.TRANSFER_OUT and qty > 0}
    assert fed == {1, 2}


def test_the_same_rows_and_seed_give_the_same_plan(done: Done, rows: list[Row]) -> None:
    again = Done(Plan(lambda: iter(rows)))
    assert again.steps == done.steps
    assert (again.lots, again.lines) == (done.lots, done.lines)
    assert Done(Plan(lambda: iter(rows), seed=1)).steps != done.steps


def test_the_csv_gives_exactly_the_plan_of_the_shipped_rows(done: Done, rows: list[Row], tmp_path: Path) -> None:
    source = write_sample(tmp_path, as_csv(rows))
    from_csv = Done(Plan(lambda: read_csv(source)))
    assert from_csv.steps == done.steps
    assert (from_csv.plan.assortment, from_csv.lots) == (done.plan.assortment, done.lots)


def test_batches_carry_what_first_appears_in_them(rows: list[Row]) -> None:
    lots = lines = read = 0
    for batch in Plan(lambda: iter(rows), days=3).batches(500):
        assert isinstance(batch, Batch)
        lots, lines = lots + len(batch.lots), lines + len(batch.lines)
        assert all(number < lines for step in batch.steps for number, _ in step.lines)
        assert all(line.lot is None or line.lot < lots for line in batch.lines)
        assert batch.movements == sum(len(step.lines) for step in batch.steps)
        assert batch.rows >= read
        read = batch.rows
    assert read == sum(row.minute >= rows[-1].minute // 1440 * 1440 - 2 * 1440 for row in rows)


def test_a_slice_is_the_last_days_and_calls_products_as_the_whole_does(done: Done, rows: list[Row]) -> None:
    few = Plan(lambda: iter(rows), days=3)
    assert (few.assortment.first, few.assortment.last) == (dt.date(2011, 12, 7), dt.date(2011, 12, 9))
    whole = done.plan.assortment
    assert len(few.assortment.products) < len(whole.products)
    assert all(product == whole.products[whole.number[product.sku]] for product in few.assortment.products)


def test_summer_invoices_are_an_hour_earlier_in_utc(tmp_path: Path) -> None:
    done = Done(Plan(lambda: read_csv(write_sample(tmp_path))))
    at = {step.source_id: step.at for step in done.steps}
    assert at["536365"] == dt.datetime(2010, 12, 1, 8, 26, tzinfo=dt.UTC)
    assert at["561226"] == dt.datetime(2011, 8, 25, 8, 0, tzinfo=dt.UTC)


def test_stock_that_expires_is_written_off_on_its_day() -> None:
    seeds = "GROW YOUR OWN HERBS SET OF 3"
    minute = (dt.date(2011, 1, 3) - dt.date(1970, 1, 1)).days * 1440 + 600
    sales = [
        Row(f"{536365 + day}", "22443", seeds, 1, minute + day * 1440, 7950, "", "EIRE")
        for day in range(0, 370, 40)
    ]
    done = Done(Plan(lambda: iter(sales)))
    gone = [step for step in done.steps if step.why == "EXPIRED"]
    assert gone
    for step in gone:
        lots = {done.lines[number].lot for number, _ in step.lines}
        assert all(lot is not None and done.lots[lot].expires <= step.at.date() for lot in lots)


def test_a_source_without_order_lines_is_refused() -> None:
    with pytest.raises(DemoDataError, match="no order lines"):
        Plan(lambda: iter(()))


def test_a_source_of_charges_alone_makes_an_empty_plan(tmp_path: Path) -> None:
    head, *lines = SAMPLE.splitlines(keepends=True)
    charges = write_sample(tmp_path, head + "".join(line for line in lines if "POST" in line or ",D," in line))
    done = Done(Plan(lambda: read_csv(charges)))
    assert (done.steps, done.plan.assortment.products) == ([], ())


@pytest.mark.long
def test_the_year_makes_half_a_million_movements_in_flat_memory() -> None:
    _, columns = packed.read(packed.SHIPPED)
    plan = Plan(lambda: packed.from_columns(columns))
    movements, peaks = 0, []
    tracemalloc.start()
    for number, batch in enumerate(plan.batches()):
        movements += batch.movements
        if number % 20 == 0:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    tracemalloc.stop()
    print(f"movements {movements:,}, peak MB {[round(peak / 1e6) for peak in peaks]}")
    assert movements > 600_000
    assert plan.tally.rows == 541_909
    assert max(peaks) < 32e6
