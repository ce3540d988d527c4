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
    jobs,
    put_away,
    replenishment,
    stock_requests,
    stocklists,
    transfers,
)

type Furnish = Callable[["asyncpg.Connection[Any]", UUID, Mapping[str, str]], Awaitable[dict[str, str]]]

ALWAYS: tuple[Furnish, ...] = (jobs.furnish,)
"""Cheap enough to be there for every test."""
FURNISH: tuple[Furnish, ...] = (
    count_plans.furnish,
    count_resolution.furnish,
    cycle_counts.furnish,
    put_away.furnish,
    replenishment.furnish,
    stock_requests.furnish,
    stocklists.furnish,
    transfers.furnish,
)
MORE_ELSEWHERE: tuple[tuple[str, str], ...] = (
    *put_away.ELSEWHERE,
    *count_plans.ELSEWHERE,
    *count_resolution.ELSEWHERE,
    *cycle_counts.ELSEWHERE,
    *replenishment.ELSEWHERE,
    *stock_requests.ELSEWHERE,
    *stocklists.ELSEWHERE,
    *transfers.ELSEWHERE,
)
MORE_SYNONYMS: dict[str, str] = {**stock_requests.SYNONYMS, **transfers.SYNONYMS}
"""Names of ids in routes that mean what a fact of another name says."""
