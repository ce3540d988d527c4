"""How the one statement that writes stock finds its rows among very many."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.errors import DomainError
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.db.pool import BIND
from infra.ledger.post import post
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import Plan
from tests.plans.stock import Stock

# Above all plans that the connection makes stand those inside of functions, and of the foreign keys they check.
_EXPLAINED = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET auto_explain.log_buffers = on;
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_format = json;
    SET client_min_messages = log;
"""


def by_id(stock: Stock) -> dict[str, Any]:
    return {"line_id": stock.line_id}


def by_place(stock: Stock) -> dict[str, Any]:
    """A line that is not there yet: the product at a location and bin where it has none."""
    return {"product_id": stock.product_id, "location_id": stock.locations[8], "lot_id": stock.lot_id}


@pytest.mark.parametrize("place", [by_id, by_place])
async def test_posting_looks_at_the_lines_that_it_moves(
    wide: Store, wide_urls: DatabaseUrls, place: Callable[[Stock], dict[str, Any]]
) -> None:
    plans: list[dict[str, Any]] = []

    def note(_: object, message: Any) -> None:
        _, _, plan = message.message.partition("plan:\n")
        if plan:
            plans.append(json.loads(plan))

    connection = await asyncpg.connect(wide_urls.admin_url)
    try:
        await connection.execute(_EXPLAINED)
        await connection.execute("SET ROLE storekeeper_app")
        await connection.execute(BIND, str(wide.stock.tenant_id))
        connection.add_log_listener(note)
        for _ in range(3):
            plans.clear()
            entry = Entry(kind=Kind.RECEIPT, delta=Decimal(1), **place(wide.stock))
            (posted,) = await post(connection, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))])  # type: ignore[arg-type]
            assert not isinstance(posted, DomainError), posted
    finally:
        await connection.close()

    assert len(plans) > 10, "the statements inside of the function are not seen"
    looked_at = {plan["Query Text"]: Plan(plan["Plan"]) for plan in plans}
    assert [(text, plan.scans) for text, plan in looked_at.items() if plan.scans] == []
    assert [(text, plan.examined) for text, plan in looked_at.items() if plan.examined > 8] == []
