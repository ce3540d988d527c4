"""How partners' reads find their rows among very many, and how many statements a bulk set is."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from infra.integrations.queries import SqlIntegrationReads
from infra.ledger.verify import verify
from tests.bench.capture import caught
from tests.e2e.api.callers import a_key
from tests.e2e.api.company import Company, found_company
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import listening

PAGE = 50
EXAMINED_MAX = 30 * (PAGE + 1)
"""A page, what stands before and beside each of its rows, and the rows that tell the names of what is on it."""
NINE_MAX = 9 * EXAMINED_MAX
STATEMENTS = 8
"""The transaction's beginning, who acts, three that read, the posting, a look at what it did, and the commit."""
BESIDE = (
    "SELECT current_setting('jit')",
    "WITH RECURSIVE typeinfo_tree",
    "UPDATE api_keys SET used_at",
)
"""What the driver asks once about a type, and the note of a key's use that others write meanwhile."""
INVENTORY = "/api/integrations/v1/inventory/"

EMPTY = """
    INSERT INTO empty_records (tenant_id, id, product_id, location_id, bin_id)
    SELECT $1, gen_random_uuid(), p.id, b.location_id, b.id
    FROM (SELECT id FROM products WHERE tenant_id = $1 ORDER BY id LIMIT 2000) p
    CROSS JOIN (SELECT id, location_id FROM bins WHERE tenant_id = $1 ORDER BY id LIMIT 10) b
    ON CONFLICT DO NOTHING
"""

type Ask = Callable[[SqlIntegrationReads, Store], Awaitable[object]]

READS: dict[str, tuple[Ask, int]] = {
    "all records": (
        lambda reads, s: reads.records(s.stock.tenant_id, None, after=None, limit=PAGE),
        EXAMINED_MAX,
    ),
    "all records, on from the middle": (
        lambda reads, s: reads.records(s.stock.tenant_id, None, after=s.stock.line_id, limit=PAGE),
        EXAMINED_MAX,
    ),
    "the records of nine locations, on": (
        lambda reads, s: reads.records(
            s.stock.tenant_id, frozenset(s.stock.locations), after=s.stock.line_id, limit=PAGE
        ),
        NINE_MAX,
    ),
    "the records of a product": (
        lambda reads, s: reads.of_product(s.stock.tenant_id, None, "P1"),
        EXAMINED_MAX,
    ),
    "all products": (
        lambda reads, s: reads.products(s.stock.tenant_id, None, after=None, limit=PAGE),
        EXAMINED_MAX,
    ),
    "a place": (lambda reads, s: reads.places_called(s.stock.tenant_id, None, "nowhere/at all"), PAGE),
}


@pytest.fixture(scope="module")
async def with_empty(wide: Store, wide_urls: DatabaseUrls) -> Store:
    """As many records of nothing as make a difference."""
    admin = await asyncpg.connect(wide_urls.admin_url)
    await admin.execute(EMPTY, wide.stock.tenant_id)
    await admin.execute("ANALYZE empty_records")
    await admin.close()
    return wide


@pytest.mark.parametrize("name", READS)
async def test_a_partner_s_read_looks_at_no_more_than_it_shows(with_empty: Store, name: str) -> None:
    wide = with_empty
    ask, most = READS[name]
    async with listening(wide.database) as sent:
        await ask(SqlIntegrationReads(wide.database), wide)
    ((statement, arguments),) = sent

    for plan in (
        await wide.explain.kept(statement, arguments),
        await wide.explain.fresh(statement, arguments),
    ):
        assert plan.scans == []
        assert plan.examined <= most


async def stocked(admin: "asyncpg.Connection[Any]", company: Company, number: int) -> list[str]:
    """So many products that have their default lots, by their SKUs."""
    skus = [f"S{n:05}-{company.mark}" for n in range(number)]
    await admin.execute(
        """
        WITH made AS (
            INSERT INTO products (tenant_id, id, sku, name, uom_id)
            SELECT $1, gen_random_uuid(), s, s, $3 FROM unnest($2::text[]) s RETURNING id
        )
        INSERT INTO lots (tenant_id, id, product_id, number, is_default)
        SELECT $1, gen_random_uuid(), m.id, '', true FROM made m
        """,
        company.tenant_id,
        skus,
        company.facts["uomId"],
    )
    return skus


async def test_a_bulk_set_is_a_handful_of_statements_however_many_its_rows(database_urls: DatabaseUrls) -> None:
    admin = await asyncpg.connect(database_urls.admin_url)
    company = await found_company(admin, "bulk", has_documents=False)
    headers = {**await a_key(admin, company), "content-type": "application/json"}
    skus = await stocked(admin, company, 10_000)
    at = company.facts["locationCode"]

    def body(number: int, quantity: int) -> str:
        rows = [{"location_code": at, "sku_code": sku, "quantity": quantity} for sku in skus[:number]]
        return json.dumps({"inventory": rows, "source": "erp_sync"})

    counts, told = {}, {}
    async with caught(database_urls) as application:
        for number, quantity in ((1, 3), (1_000, 4), (10_000, 5)):
            answer = await application.ask(
                "POST", INVENTORY, headers=headers, body=body(number, quantity), times=1
            )
            assert answer.status == 200, answer.body[:500]
            texts = [" ".join(text.split()) for text, _ in answer.statements]
            counts[number] = sum(not text.startswith(BESIDE) for text in texts)
            told[number, quantity] = json.loads(answer.body)["data"]
    report = await verify(database_urls.admin_url, company.tenant_id)
    await admin.close()

    assert [(one["created"], one["updated"], one["failed"]) for one in told.values()] == [
        (1, 0, 0),
        (999, 1, 0),
        (9_000, 1_000, 0),
    ]
    assert counts[1_000] == STATEMENTS
    assert counts[10_000] == STATEMENTS + 1  # which gives it the time that it takes
    assert report.drifts == ()
