"""The database's tables, one module an area."""

from infra.db.tables import (
    access,
    availability,
    catalog,
    count_plans,
    counts,
    documents,
    ledger,
    put_away,
    replenishment,
    stock_requests,
    stocklists,
    transfers,
)
from infra.db.tables.base import metadata

__all__ = [
    "access",
    "availability",
    "catalog",
    "count_plans",
    "counts",
    "documents",
    "ledger",
    "metadata",
    "put_away",
    "replenishment",
    "stock_requests",
    "stocklists",
    "transfers",
]
