"""Channels and policies inside a unit of work, and to read."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act
from domain.availability.channels import Channel, ChannelView, PolicyFacts, PolicyView
from domain.availability.policies import Place
from domain.catalog.model import Stored
from domain.errors import not_found
from infra.availability.kinds import CHANNEL, POLICY, ChannelColumns
from infra.catalog.queries import SqlShelf
from infra.catalog.repository import LOCK_FOR, RecordsSql, SqlRecords
from infra.db.pool import Database, Driver
from infra.db.work import SqlWork

SERVED_BY = """
    SELECT array_agg(location_id ORDER BY location_id) FROM channel_locations
    WHERE tenant_id = $1 AND channel_id = $2
"""
SERVE = """
    WITH gone AS (
        DELETE FROM channel_locations WHERE tenant_id = $1 AND channel_id = $2 AND location_id <> ALL ($3)
    )
    INSERT INTO channel_locations (tenant_id, channel_id, location_id)
    SELECT $1, $2, w.id FROM unnest($3::uuid[]) AS w(id) ORDER BY w.id
    ON CONFLICT (tenant_id, location_id, channel_id) DO NOTHING
"""
OF_PLACE = "SELECT id FROM channel_policies WHERE tenant_id = $1"
PLACE = ("channel_id", "location_id", "product_id")

CHANNELS, POLICIES = RecordsSql(CHANNEL), RecordsSql(POLICY)


class SqlChannels:
    """The `Records` port for channels, with the locations that serve them. Two statements each."""

    def __init__(self, driver: Driver, tenant_id: UUID) -> None:
        self._driver = driver
        self._tenant = tenant_id
        self._columns: SqlRecords[ChannelColumns, ChannelView] = SqlRecords(CHANNELS, driver, tenant_id)

    async def add(self, rows: Mapping[UUID, Channel]) -> None:
        await self._columns.add({id_: _columns(channel) for id_, channel in rows.items()})
        for id_, channel in rows.items():
            await self._serve(id_, channel)

    async def lock(self, id_: UUID) -> Stored[Channel] | None:
        stored = await self._columns.lock(id_)
        if stored is None:
            return None
        served = await self._driver.fetchval(SERVED_BY, self._tenant, id_)
        channel = Channel(**msgspec.structs.asdict(stored.facts), location_ids=tuple(served or ()))
        return Stored(id=id_, version=stored.version, facts=channel)

    async def store(self, id_: UUID, facts: Channel) -> None:
        await self._columns.store(id_, _columns(facts))
        await self._serve(id_, facts)

    async def view(self, id_: UUID) -> ChannelView:
        return await self._columns.view(id_)

    async def uses(self, id_: UUID) -> Mapping[str, int]:
        return await self._columns.uses(id_)

    async def remove(self, id_: UUID) -> None:
        await self._columns.remove(id_)

    async def _serve(self, id_: UUID, channel: Channel) -> None:
        try:
            await self._driver.execute(SERVE, self._tenant, id_, list(channel.location_ids))
        except asyncpg.ForeignKeyViolationError as problem:
            raise not_found("location", field="locationIds") from problem


class SqlChannelWork(SqlWork):
    """The `ChannelWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.channels = SqlChannels(driver, act.tenant_id)
        self.policies: SqlRecords[PolicyFacts, PolicyView] = SqlRecords(POLICIES, driver, act.tenant_id)

    async def lock_policy(self, place: Place) -> Stored[PolicyFacts] | None:
        """Three statements."""
        tenant_id = self.act.tenant_id
        await self.driver.execute(LOCK_FOR, str(tenant_id), "channel_policies")
        named = {name: id_ for name, id_ in zip(PLACE, place, strict=True) if id_ is not None}
        # An index serves what is equal or null, and not what is "not distinct".
        where = "".join(
            f" AND {name} = ${list(named).index(name) + 2}" if name in named else f" AND {name} IS NULL"
            for name in PLACE
        )
        id_ = await self.driver.fetchval(OF_PLACE + where, tenant_id, *named.values())
        return None if id_ is None else await self.policies.lock(id_)


class SqlChannelQueries:
    """The `ChannelQueries` port."""

    def __init__(self, database: Database) -> None:
        self.channels: SqlShelf[Any, Any] = SqlShelf(database, CHANNEL)
        self.policies: SqlShelf[Any, Any] = SqlShelf(database, POLICY)


def _columns(channel: Channel) -> ChannelColumns:
    return ChannelColumns(code=channel.code, name=channel.name, type=channel.type, is_active=channel.is_active)
