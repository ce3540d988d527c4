"""What each area of the warehouse's documents adds to the company: one module an area, named here.

A module has `async def furnish(admin, tenant_id, facts) -> dict[str, str]`, which writes its rows (each text with
the company's mark, `facts["mark"]`) and answers its facts, and `ELSEWHERE`, the pairs of its facts that stand at a
location and their like at the other one.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from tests.e2e.api.facts import (
    count_plans,
    count_resolution,
    cycle_counts,
    imports,
    integrations,
    jobs,
    put_away,
    replenishment,
    stock_requests,
    stocklists,
    transfers,
    webhooks,
)

type Furnish = Callable[["asyncpg.Connection[Any]", UUID, Mapping[str, str]], Awaitable[dict[str, str]]]

ALWAYS: tuple[Furnish, ...] = (integrations.furnish, jobs.furnish)
"""Cheap enough to be there for every test."""
_COUNTS = (count_plans.furnish, count_resolution.furnish, cycle_counts.furnish)
_REQUESTS = (stock_requests.furnish, stocklists.furnish)
DOCUMENTS: Mapping[str, tuple[Furnish, ...]] = {
    "/api/inventory/cycle-count": _COUNTS,
    "/api/inventory/put-away": (put_away.furnish,),
    "/api/inventory/replenishment": (replenishment.furnish, transfers.furnish),
    "/api/inventory/transfers": (transfers.furnish,),
    "/api/stock-requests": _REQUESTS,
    "/api/stocklists": _REQUESTS,
    "/api/webhooks": (webhooks.furnish,),
    "/{tenant}/api/v1/imports": (imports.furnish,),
}
"""What the routes behind an address need. It takes much longer than all else, so nobody gets what they do not."""


def furnishing(address: str | None) -> tuple[Furnish, ...]:
    """All that the routes at an address need, or, without one, that any of them does."""
    needed = [some for start, some in DOCUMENTS.items() if address is None or address.startswith(start)]
    return (*ALWAYS, *dict.fromkeys(one for some in needed for one in some))


MORE_ELSEWHERE: tuple[tuple[str, str], ...] = (
    *put_away.ELSEWHERE,
    *count_plans.ELSEWHERE,
    *count_resolution.ELSEWHERE,
    *cycle_counts.ELSEWHERE,
    *imports.ELSEWHERE,
    *integrations.ELSEWHERE,
    *replenishment.ELSEWHERE,
    *stock_requests.ELSEWHERE,
    *stocklists.ELSEWHERE,
    *transfers.ELSEWHERE,
    *webhooks.ELSEWHERE,
)
MORE_SYNONYMS: dict[str, str] = {
    **integrations.SYNONYMS,
    **stock_requests.SYNONYMS,
    **transfers.SYNONYMS,
}
"""Names of ids in routes that mean what a fact of another name says."""
