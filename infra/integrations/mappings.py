"""Field mappings of keys: kept in the process, and changed in a unit of work.

A change of a mapping is announced as a change of its key, with its commit; while announcements cannot be heard,
nothing that is kept is believed.
"""

import time
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.errors import not_found
from domain.integrations.mapping import FieldMapping
from domain.integrations.ports import StoredMapping
from infra.access.changes import Change, Kind
from infra.access.listener import AccessListener
from infra.access.rights import SqlRightsWork
from infra.db.pool import Database
from infra.db.work import encoded

FRESH_SECONDS = 60.0
KEYS_MAX = 10_000
OF_KEY = "SELECT mapping FROM field_mappings WHERE tenant_id = $1 AND key_id = $2"
READ = """
    SELECT m.mapping, coalesce(m.version, 0) AS version
    FROM api_keys k LEFT JOIN field_mappings m ON m.tenant_id = k.tenant_id AND m.key_id = k.id
    WHERE k.tenant_id = $1 AND k.id = $2 AND ($3::uuid[] IS NULL OR k.location_ids <@ $3)
"""
LOCK = "SELECT mapping, version FROM field_mappings WHERE tenant_id = $1 AND key_id = $2 FOR UPDATE"
STORE = """
    INSERT INTO field_mappings AS m (tenant_id, key_id, mapping) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id, key_id) DO UPDATE
    SET mapping = excluded.mapping, version = m.version + 1, updated_at = now()
    RETURNING mapping, version
"""
REMOVE = "DELETE FROM field_mappings WHERE tenant_id = $1 AND key_id = $2"

_mapping = msgspec.json.Decoder(FieldMapping)


class CachedMappings:
    """The `Mappings` port."""

    def __init__(self, database: Database, *, listener: AccessListener) -> None:
        self._database = database
        self._listener = listener
        self._kept: dict[UUID, tuple[float, FieldMapping | None]] = {}
        self._epoch = 0
        listener.subscribe(self.forget)

    def forget(self, change: Change | None) -> None:
        """Drop what a change concerns; all of it when it is not known what changed."""
        if change is None:
            self._epoch += 1
            self._kept.clear()
        elif change.kind is Kind.KEY:
            self._epoch += 1
            self._kept.pop(change.id, None)

    async def of_key(self, tenant_id: UUID, key_id: UUID) -> FieldMapping | None:
        kept = self._kept.get(key_id) if self._listener.is_up else None
        if kept is not None and time.monotonic() - kept[0] <= FRESH_SECONDS:
            return kept[1]
        epoch, asked_at = self._epoch, time.monotonic()
        async with self._database.bound(tenant_id) as driver:
            found = await driver.fetchval(OF_KEY, tenant_id, key_id)
        mapping = None if found is None else _mapping.decode(found)
        if self._listener.is_up and self._epoch == epoch:
            if len(self._kept) >= KEYS_MAX:
                self._kept.clear()
            self._kept[key_id] = asked_at, mapping
        return mapping


class SqlMappingReads:
    """The `MappingReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mapping(self, tenant_id: UUID, key_id: UUID, scope: Scope) -> StoredMapping:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(READ, tenant_id, key_id, None if scope is None else list(scope))
        if row is None:
            raise not_found("API key")
        return _stored(row["mapping"], row["version"])


class MappingSqlWork(SqlRightsWork):
    """The `MappingWork` port."""

    async def lock_mapping(self, key_id: UUID) -> StoredMapping:
        """The key is locked already, so nobody else makes a mapping for it meanwhile."""
        row = await self.driver.fetchrow(LOCK, self.tenant_id, key_id)
        return _stored(None, 0) if row is None else _stored(row["mapping"], row["version"])

    async def store_mapping(self, key_id: UUID, mapping: FieldMapping | None) -> StoredMapping:
        if mapping is None:
            await self.driver.execute(REMOVE, self.tenant_id, key_id)
            return _stored(None, 0)
        row = await self.driver.fetchrow(STORE, self.tenant_id, key_id, encoded(mapping))
        assert row is not None
        return _stored(row["mapping"], row["version"])


def _stored(mapping: str | None, version: int) -> StoredMapping:
    return StoredMapping(
        mapping=None if mapping is None else msgspec.json.decode(mapping, type=FieldMapping), version=version
    )
