"""The database's tables, one module an area."""

from infra.db.tables import (
    access,
    availability,
    catalog,
    count_plans,
    counts,
    documents,
    imports,
    integrations,
    jobs,
    ledger,
    put_away,
    replenishment,
    stock_requests,
    stocklists,
    tokens,
    transfers,
    webhooks,
)
from infra.db.tables.base import metadata

__all__ = [
    "access",
    "availability",
    "catalog",
    "count_plans",
    "counts",
    "documents",
    "imports",
    "integrations",
    "jobs",
    "ledger",
    "metadata",
    "put_away",
    "replenishment",
    "stock_requests",
    "stocklists",
    "tokens",
    "transfers",
    "webhooks",
]
