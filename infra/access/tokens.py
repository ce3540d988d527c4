"""Tokens of the import surface in SQL."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.access.ports import Grant, Rule
from domain.access.rules import tenant_rules
from domain.access.tokens import FoundToken, NewToken, TokenView
from infra.access.store import RELY_ON_PASSWORD
from infra.db.pool import Database
from infra.db.work import SqlWork, encoded
from infra.observability.requests import current_request_id

BY_HASH = """
    SELECT tenant_id, tenant_slug, tenant_name, token_id, user_id, email, name, expires_at, now_at,
        roles, own_rules
    FROM auth_by_token($1)
"""
ISSUE = """
    INSERT INTO tokens (
        tenant_id, id, user_id, token_hash, last4, password_set_at, user_agent, created_at, expires_at
    )
    SELECT $1, $2, u.id, $4, $5, u.password_changed_at, $6, now(), now() + $7
    FROM users u WHERE u.id = $3 AND u.password_hash = $8 AND u.is_active
    RETURNING true
"""
# What ended long ago is nobody's business any more; the audit trail has kept it.
FORGET = """
    DELETE FROM tokens
    WHERE tenant_id = $1 AND user_id = $2 AND least(expires_at, revoked_at) < now() - interval '90 days'
"""
END_OLDEST = """
    UPDATE tokens SET revoked_at = now() WHERE tenant_id = $1 AND id IN (
        SELECT k.id FROM tokens k
        WHERE k.tenant_id = $1 AND k.user_id = $2 AND k.revoked_at IS NULL AND k.expires_at > now()
        ORDER BY k.id DESC OFFSET $3
    )
"""
LIVE = """
    SELECT k.id, k.last4, k.created_at, k.expires_at, k.used_at, k.user_agent
    FROM tokens k JOIN users u ON u.id = k.user_id AND u.password_changed_at = k.password_set_at
    WHERE k.tenant_id = $1 AND k.user_id = $2 AND k.revoked_at IS NULL AND k.expires_at > now()
    ORDER BY k.id DESC
"""
END = """
    UPDATE tokens k SET revoked_at = clock_timestamp()
    WHERE k.tenant_id = $1 AND k.user_id = $2 AND k.id = $3 AND k.revoked_at IS NULL AND k.expires_at > now()
    RETURNING true
"""

_grants = msgspec.json.Decoder(tuple[Grant, ...])
_rules = msgspec.json.Decoder(tuple[Rule, ...])


class SqlTokens:
    """The `Tokens` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_token(self, token_hash: bytes) -> FoundToken | None:
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(BY_HASH, token_hash)
        if row is None:
            return None
        facts = dict(row)
        grants, own = _grants.decode(facts.pop("roles")), _rules.decode(facts.pop("own_rules"))
        return FoundToken(**facts, grants=grants, policy_version=tenant_rules(own).version)

    async def issue(self, token: NewToken, *, known_hash: str) -> bool:
        # Nobody is known yet when a token is asked for: the trail names the person whose token it is.
        who = encoded({"actorId": token.user_id, "requestId": current_request_id()})
        async with self._database.transaction(token.tenant_id) as driver:
            await driver.execute(RELY_ON_PASSWORD, who, str(token.user_id))
            issued = await driver.fetchval(
                ISSUE,
                token.tenant_id,
                token.id,
                token.user_id,
                token.token_hash,
                token.last4,
                token.user_agent,
                token.lifetime,
                known_hash,
            )
            if issued:
                await driver.execute(FORGET, token.tenant_id, token.user_id)
                await driver.execute(END_OLDEST, token.tenant_id, token.user_id, token.live_max)
        return bool(issued)

    async def live(self, *, tenant_id: UUID, user_id: UUID) -> Sequence[TokenView]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(LIVE, tenant_id, user_id)
        return tuple(TokenView(**row) for row in rows)


class SqlTokenWork(SqlWork):
    """The `TokenWork` port."""

    async def end_token(self, user_id: UUID, token_id: UUID) -> bool:
        return bool(await self.driver.fetchval(END, self.act.tenant_id, user_id, token_id))
