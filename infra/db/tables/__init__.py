"""The database's tables, one module an area."""

from infra.db.tables import access, availability, catalog, ledger
from infra.db.tables.base import metadata

__all__ = ["access", "availability", "catalog", "ledger", "metadata"]
