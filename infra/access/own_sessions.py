"""People's own sessions and passwords in SQL."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from domain.access.own_sessions import NewPassword, OwnSession
from infra.access.store import HOLD_PASSWORD, REPLACE_HASH, begin_session
from infra.db.pool import Database
from infra.db.work import ACTING, who_acts

LIVE = """
    SELECT id, created_at, seen_at, expires_at, user_agent FROM sessions
    WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL
        AND expires_at > now() AND seen_at > now() - $3::interval
    ORDER BY created_at DESC, id DESC LIMIT 1000
"""


class SqlOwnSessions:
    """The ports `OwnSessions` and `PasswordStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live(self, *, tenant_id: UUID, user_id: UUID, idle: timedelta) -> Sequence[OwnSession]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(LIVE, tenant_id, user_id, idle)
        return tuple(OwnSession(**row) for row in rows)

    async def replace(self, new: NewPassword) -> bool:
        async with self._database.transaction(new.caller.tenant_id) as driver:
            await driver.execute(ACTING, who_acts(new.caller, new.request_id))
            await driver.execute(HOLD_PASSWORD, str(new.caller.user_id))
            replaced = await driver.fetchval(
                REPLACE_HASH,
                new.caller.user_id,
                new.old_hash,
                new.new_hash,
                False,
            )
            if replaced:
                await begin_session(driver, new.session)
        return bool(replaced)
