"""P-11: a batch is its postings sent singly, however it is cut; other products' may come in between."""

import itertools
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import DomainError
from domain.ledger.model import Entry, Posted, Posting
from tests.ledger.bench import Bench
from tests.ledger.builders import Warehouse, a_posting, an_act, an_entry, build, plan_warehouse
from tests.ledger.contents import Books, books
from tests.ledger.model import ModelLedger, Told, told
from tests.ledger.promises import show
from tests.ledger.wishes import EPOCH, WishedPosting, amounts, grant, wished_postings

PLAN = plan_warehouse(products=3, lots=2, locations=2, bins=3, lot_controlled=1)
SHELVES = len(PLAN.shelves())

type Chunks = list[list[Posting]]

lists = st.lists(wished_postings(shelves=SHELVES, is_plain=True), min_size=2, max_size=8)
sizes = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
examples = pytest.mark.parametrize("examples", [40, pytest.param(2_000, marks=pytest.mark.long)])


def granted(wished: Sequence[WishedPosting], warehouse: Warehouse) -> list[Posting]:
    """The postings, each at a stated time and by keys: twins number their lines differently."""
    model = ModelLedger(warehouse)
    found = []
    for one in wished:
        posting = grant(one, warehouse, model)
        entries = tuple(at_a_time(entry) for entry in posting.entries)
        posting = msgspec.structs.replace(posting, entries=entries)
        if not model.post(posting).is_failure:  # that is another test's
            found.append(posting)
    return found


def at_a_time(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, effective_at=entry.effective_at or EPOCH)


def post_to_a_twin(bench: Bench, chunks: Chunks) -> tuple[list[Told], Books]:
    """Send the chunks to a tenant of their own; what is answered, and what is in the books then."""
    twin = bench.run(build(bench.admin, PLAN.for_tenant(plan_warehouse().tenant_id)))
    answers: list[Posted | DomainError] = []
    for chunk in chunks:
        postings = [of_tenant(posting, twin) for posting in chunk]
        answers += bench.run(bench.ledger.post_many(postings, tenant_id=twin.tenant_id))
    return [told(answer) for answer in answers], bench.run(books(bench.admin, twin.tenant_id))


def of_tenant(posting: Posting, twin: Warehouse) -> Posting:
    old = posting.act
    if old is None:
        return posting
    key = old.idempotency
    act = an_act(
        twin.tenant_id,
        key=key.key if key else None,
        body=key.fingerprint if key else b"",
        scope=old.scope,
    )
    return msgspec.structs.replace(posting, act=act)


@examples
def test_a_batch_is_its_postings_sent_singly_however_it_is_cut(bench: Bench, examples: int) -> None:
    postings_seen = 0

    @settings(sizes, max_examples=examples)
    @given(wished=lists, cuts=st.sets(st.integers(1, 7)))
    def check(wished: list[WishedPosting], cuts: set[int]) -> None:
        nonlocal postings_seen
        postings = granted(wished, PLAN)
        edges = [0, *sorted(cut for cut in cuts if cut < len(postings)), len(postings)]
        pieces = [postings[low:high] for low, high in itertools.pairwise(edges)]

        singly = post_to_a_twin(bench, [[posting] for posting in postings])
        together = post_to_a_twin(bench, [postings] if postings else [])
        in_pieces = post_to_a_twin(bench, [piece for piece in pieces if piece])

        assert together == singly
        assert in_pieces == singly
        postings_seen += len(postings)

    check()

    show("P-11", property="batch = singles = pieces", examples=examples, postings=postings_seen, differences=0)


@examples
def test_postings_of_different_products_may_change_places(bench: Bench, examples: int) -> None:
    @settings(sizes, max_examples=examples)
    @given(wished=lists, data=st.data())
    def check(wished: list[WishedPosting], data: st.DataObject) -> None:
        # Of each posting the entries of one product, without a key: keys tie postings together as products do.
        whole = [
            msgspec.structs.replace(
                posting,
                act=None,
                entries=tuple(e for e in posting.entries if e.product_id == posting.entries[0].product_id),
            )
            for posting in granted(wished, PLAN)
        ]
        order = data.draw(st.permutations(range(len(whole))))
        # Among postings of one product the old order is kept.
        product = [posting.entries[0].product_id for posting in whole]
        queues = {id_: iter([n for n in range(len(whole)) if product[n] == id_]) for id_ in set(product)}
        moved = [next(queues[product[n]]) for n in order]

        first, first_books = post_to_a_twin(bench, [whole] if whole else [])
        second, second_books = post_to_a_twin(bench, [[whole[n] for n in moved]] if whole else [])

        placeless = {"first_position": 0, "position": 0}
        expected = [msgspec.structs.replace(first[n], **placeless) for n in moved]
        assert [msgspec.structs.replace(answer, **placeless) for answer in second] == expected
        for table in ("balances", "totals", "heads"):
            assert second_books[table] == first_books[table]

    check()

    show("P-11", property="permuted", examples=examples, differences=0)


@settings(sizes, max_examples=30)
@given(parts=st.lists(amounts.filter(lambda a: a < 100), min_size=2, max_size=6))
def test_the_same_line_twice_in_a_posting_is_its_sum(bench: Bench, parts: list[int]) -> None:
    shelf = PLAN.shelf()
    total = sum(parts)

    _, in_parts = post_to_a_twin(bench, [[a_posting(*(an_entry(shelf, part) for part in parts))]])
    _, at_once = post_to_a_twin(bench, [[a_posting(an_entry(shelf, total))]])

    assert [row[4] for row in in_parts["balances"]] == [row[4] for row in at_once["balances"]] == [total]
    assert in_parts["totals"] == at_once["totals"]


def test_a_line_named_twice_cannot_give_twice_what_it_has(bench: Bench) -> None:
    shelf = PLAN.shelf()
    chunks = [[a_posting(an_entry(shelf, 10))], [a_posting(an_entry(shelf, -6), an_entry(shelf, -6))]]

    answers, after = post_to_a_twin(bench, chunks)

    assert [answer.code for answer in answers] == ["POSTED", "INSUFFICIENT_STOCK"]
    assert [row[4] for row in after["balances"]] == [10]
