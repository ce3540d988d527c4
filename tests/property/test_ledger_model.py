"""The ledger against a model in plain Python: whatever is asked, in whatever order, both say and hold the same."""

import copy
from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.errors import DomainError
from domain.ledger.model import INTERNAL, Kind, Posted, Posting
from domain.values import new_id
from infra.ledger.verify import verify
from tests.ledger.bench import Bench
from tests.ledger.builders import Warehouse, a_posting, a_reversal, a_warehouse, an_act, an_entry
from tests.ledger.contents import fingerprint
from tests.ledger.model import LATE, Line, ModelLedger, Told, told
from tests.ledger.promises import show
from tests.ledger.wishes import WishedPosting, amounts, grant, wished_postings

SIZES = {"products": 3, "lots": 2, "locations": 2, "bins": 3, "lot_controlled": 1}
SHELVES = 3 * 2 * 2 * 3
BALANCES = """
    SELECT id, product_id, location_id, bin_id, lot_id, on_hand, version, reserved, held, held_part, counted_at
    FROM stock_lines WHERE tenant_id = $1
"""
CLAIM = """
    WITH line AS (
        UPDATE stock_lines SET reserved = $3::numeric, held = least(on_hand, $4::numeric), held_part = $4
        WHERE tenant_id = $1 AND id = $2
        RETURNING product_id, location_id, held
    ), claim AS (
        INSERT INTO reservations AS x (tenant_id, id, group_id, kind, state, product_id, location_id, quantity,
            open_quantity, expires_at)
        SELECT $1, $2, $2, 'SOFT', CASE WHEN $3 > 0 THEN 'LIVE' ELSE 'RELEASED' END, product_id, location_id, $3,
            $3, now() + interval '1 day'
        FROM line
        ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, quantity = $3, open_quantity = $3
    ), no_claim AS (
        DELETE FROM reservation_lines WHERE tenant_id = $1 AND line_id = $2 AND $3 = 0
    ), claimed AS (
        INSERT INTO reservation_lines AS x (tenant_id, reservation_id, line_id, quantity)
        SELECT $1, $2, $2, $3 WHERE $3 > 0
        ON CONFLICT (tenant_id, reservation_id, line_id) DO UPDATE SET quantity = $3
    ), hold AS (
        INSERT INTO holds AS x (tenant_id, id, type, scope, state, line_id, quantity, reason)
        SELECT $1, $2, 'QUALITY', 'LINE', CASE WHEN $4 > 0 THEN 'ACTIVE' ELSE 'RELEASED' END, $2,
            greatest($4, 1), 'Looked at'
        ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, quantity = excluded.quantity
    )
    UPDATE stock_totals t SET (reserved, held) = (
        SELECT sum(CASE WHEN s.id = $2 THEN $3 ELSE s.reserved END),
            coalesce(sum(CASE WHEN s.id = $2 THEN line.held ELSE s.held END)
                FILTER (WHERE b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')), 0)
        FROM stock_lines s JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id
        WHERE s.tenant_id = $1 AND s.product_id = line.product_id AND s.location_id = line.location_id
    )
    FROM line
    WHERE t.tenant_id = $1 AND t.product_id = line.product_id AND t.location_id = line.location_id
"""
"""A claim and a hold on a part of a line, both of the line's own id, set to these quantities."""

type Answer = Posted | DomainError


class LedgerMachine(RuleBasedStateMachine):
    bench: Bench
    answers: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.warehouse: Warehouse = self.bench.run(a_warehouse(self.bench.admin, **SIZES))
        self.tenant_id = self.warehouse.tenant_id
        self.model = ModelLedger(self.warehouse)
        self.posted: list[Posted] = []
        self.keyed: list[tuple[Posting, Answer]] = []

    @rule(shelves=st.lists(st.integers(0, SHELVES - 1), min_size=1, max_size=3), amount=amounts)
    def receive(self, shelves: list[int], amount: Decimal) -> None:
        here = self.warehouse.shelves()
        self.check(a_posting(*(an_entry(here[n], amount, kind=Kind.RECEIPT) for n in shelves)))

    @precondition(lambda self: self.model.shelf_of)
    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=3), amount=amounts)
    def issue(self, picks: list[int], amount: Decimal) -> None:
        ids = sorted(self.model.shelf_of)
        self.check(
            a_posting(*(an_entry(ids[n % len(ids)], -amount, kind=Kind.ISSUE) for n in picks), force=amount > 20)
        )

    @rule(wished=wished_postings(shelves=SHELVES))
    def post(self, wished: WishedPosting) -> None:
        self.check(grant(wished, self.warehouse, self.model))

    @rule(
        source=st.integers(0, SHELVES - 1),
        bin_and_lot=st.tuples(st.integers(0, 2), st.integers(0, 1)),
        amount=amounts,
        surplus=st.sampled_from([0, 0, 0, 1]),
        kind=st.sampled_from(sorted(INTERNAL)),
    )
    def move_inside(
        self, source: int, bin_and_lot: tuple[int, int], amount: Decimal, surplus: int, kind: Kind
    ) -> None:
        shelf = self.warehouse.shelves()[source]
        target = msgspec.structs.replace(
            shelf,
            bin_id=self.warehouse.bins[shelf.location_id][bin_and_lot[0]],
            lot_id=self.warehouse.lots[shelf.product_id][bin_and_lot[1]],
        )
        entries = an_entry(shelf, -amount, kind=kind), an_entry(target, amount + surplus, kind=kind)
        self.check(a_posting(*entries))

    @rule(wished=st.lists(wished_postings(shelves=SHELVES, is_plain=True), min_size=2, max_size=5))
    def post_many(self, wished: list[WishedPosting]) -> None:
        postings = [grant(one, self.warehouse, self.model) for one in wished]
        trial = copy.deepcopy(self.model)
        if any(trial.post(posting).is_failure for posting in postings):
            before = self.contents()
            with pytest.raises(DomainError):
                self.bench.run(self.bench.ledger.post_many(postings, tenant_id=self.tenant_id))
            assert self.contents() == before
            return
        answers = self.bench.run(self.bench.ledger.post_many(postings, tenant_id=self.tenant_id))
        for posting, answer in zip(postings, answers, strict=True):
            self.compare(posting, answer)

    @precondition(lambda self: self.posted)
    @rule(pick=st.integers(0, 99))
    def take_back(self, pick: int) -> None:
        self.check(a_reversal(self.posted[pick % len(self.posted)]))

    @precondition(lambda self: self.keyed)
    @rule(pick=st.integers(0, 99), is_same=st.booleans())
    def repeat(self, pick: int, is_same: bool) -> None:
        first, answer = self.keyed[pick % len(self.keyed)]
        assert first.act is not None
        assert first.act.idempotency is not None
        key, body = first.act.idempotency.key, first.act.idempotency.fingerprint
        act = an_act(self.tenant_id, key=key, body=body if is_same else b"another")
        before = self.contents()

        again = self.ask(msgspec.structs.replace(first, id=new_id(), act=act))

        assert self.contents() == before
        if is_same:
            assert known(again) == known(answer)
            assert again.replayed
        else:
            assert told(again) == Told(code="IDEMPOTENCY_KEY_REUSED", facts={})

    @precondition(lambda self: self.model.shelf_of)
    @rule(pick=st.integers(0, 99), reserved=st.integers(0, 20), held=st.integers(0, 20))
    def claim(self, pick: int, reserved: int, held: int) -> None:
        line_id, shelf = sorted(self.model.shelf_of.items())[pick % len(self.model.shelf_of)]
        claims = {"reserved": Decimal(reserved), "held_part": Decimal(held)}
        self.bench.run(self.bench.admin.execute(CLAIM, self.tenant_id, line_id, *claims.values()))
        self.model.lines[shelf] = msgspec.structs.replace(self.model.lines[shelf], **claims)

    @rule(table=st.sampled_from(["products", "locations", "bins"]), pick=st.integers(0, 99))
    def open_or_close(self, table: str, pick: int) -> None:
        w = self.warehouse
        ids = {"products": w.products, "locations": w.locations, "bins": w.bins[w.locations[0]]}[table]
        id_ = ids[pick % len(ids)]
        is_active = id_ in self.model.inactive
        statement = f"UPDATE {table} SET is_active = $3 WHERE tenant_id = $1 AND id = $2"
        self.bench.run(self.bench.admin.execute(statement, self.tenant_id, id_, is_active))
        (self.model.inactive.discard if is_active else self.model.inactive.add)(id_)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        rows = self.bench.run(self.bench.admin.fetch(BALANCES, self.tenant_id))
        assert all(row["held"] == min(row["on_hand"], row["held_part"]) for row in rows)
        names = ("on_hand", "version", "reserved", "held_part", "counted_at")
        found = {
            (row["product_id"], row["location_id"], row["bin_id"], row["lot_id"]): Line(
                **{name: row[name] for name in names}
            )
            for row in rows
        }
        assert found == {msgspec.structs.astuple(shelf): line for shelf, line in self.model.lines.items()}

    def teardown(self) -> None:
        report = self.bench.run(verify(self.bench.admin, self.tenant_id))
        assert report.drifts == ()
        assert report.movements == self.model.position
        assert report.events == self.model.events

    def check(self, posting: Posting) -> None:
        before = self.contents()
        answer = self.ask(posting)
        self.compare(posting, answer)
        if isinstance(answer, DomainError):
            after = self.contents()
            del before["idempotency_keys"], after["idempotency_keys"]
            assert after == before, "a refusal leaves nothing but its own memory"

    def ask(self, posting: Posting) -> Answer:
        try:
            return self.bench.run(self.bench.ledger.post(posting, tenant_id=self.tenant_id))
        except DomainError as refused:
            return refused

    def compare(self, posting: Posting, answer: Answer) -> None:
        now = answer.recorded_at if isinstance(answer, Posted) else LATE
        due = self.model.post(posting, now=now)
        assert told(answer).agrees_with(due), (posting, told(answer), due)
        self.answers[due.code] += 1
        if isinstance(answer, Posted) and not answer.replayed:
            self.model.learn(posting, answer)
            self.posted.append(answer)
        is_keyed = posting.act is not None and posting.act.idempotency is not None
        is_forgotten = posting.tentative and due.code == "INSUFFICIENT_STOCK"
        if is_keyed and not is_forgotten and due.code not in {"IDEMPOTENCY_KEY_REUSED", "VALIDATION_ERROR"}:
            self.keyed.append((posting, answer))

    def contents(self) -> dict[str, tuple[int, int]]:
        return self.bench.run(fingerprint(self.bench.admin, self.tenant_id))


def known(answer: Answer) -> object:
    """An answer as it is stored: a retry is told the same, to the letter."""
    if isinstance(answer, DomainError):
        return answer.reason, answer.message, answer.facts
    return msgspec.structs.replace(answer, replayed=False)


@pytest.mark.parametrize("histories", [25, pytest.param(2_000, marks=pytest.mark.long)])
def test_the_ledger_says_and_holds_what_the_model_does(bench: Bench, histories: int) -> None:
    size = settings(
        max_examples=histories,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    answers: Counter[str] = Counter()
    machine = type("Machine", (LedgerMachine,), {"bench": bench, "answers": answers})

    run_state_machine_as_test(machine, settings=size)

    show("P-03", histories=histories, answers=answers, differences=0, drift=0)
