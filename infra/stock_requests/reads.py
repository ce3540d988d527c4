"""A stock request to read, and who may decide what."""

from datetime import datetime
from uuid import UUID

from domain.access.delegations import Delegations
from domain.access.model import Act, Scope
from domain.stock_requests.model import StockRequest
from domain.stock_requests.plans import RulesView
from domain.stock_requests.states import Decider, Granted
from infra.db.pool import Database
from infra.stock_requests import sql
from infra.stock_requests.rows import DOCUMENT, DOCUMENT_IN_SCOPE, decode_request
from infra.stock_requests.work import rules_view


class SqlStockRequestReads:
    """The `StockRequestReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, tenant_id: UUID, request_id: UUID, scope: Scope) -> StockRequest | None:
        async with self._database.bound(tenant_id) as driver:
            if scope is None:
                body = await driver.fetchval(DOCUMENT, tenant_id, request_id)
            else:
                body = await driver.fetchval(DOCUMENT_IN_SCOPE, tenant_id, request_id, list(scope))
        return None if body is None else decode_request(body)

    async def rules(self, tenant_id: UUID) -> RulesView:
        async with self._database.bound(tenant_id) as driver:
            return rules_view(await driver.fetchrow(sql.RULES, tenant_id))


class SqlDeciders:
    """The `Deciders` port: two statements, the same for a request as for the list of all that wait."""

    def __init__(self, database: Database, delegations: Delegations) -> None:
        self._database = database
        self._delegations = delegations

    async def of(self, act: Act, at: datetime | None = None) -> Decider:
        caller = act.caller
        given = []
        if caller.user_id is not None:
            in_force = await self._delegations.active_for(act.tenant_id, caller.user_id, at)
            at, given = in_force.at, list(in_force.delegations)
        people = [one.from_user_id for one in given] + ([caller.user_id] if caller.user_id else [])
        async with self._database.bound(act.tenant_id) as driver:
            rows = await driver.fetch(sql.GRANTS, act.tenant_id, people, at)
        grants: dict[UUID, list[Granted]] = {}
        for row in rows:
            if row["user_id"] is not None:
                grants.setdefault(row["user_id"], []).append(Granted(row["role"], row["location_id"]))
        return Decider(caller=caller, at=at or rows[0]["at"], delegations=tuple(given), grants=grants)
