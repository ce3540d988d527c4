"""What an endpoint's maker may see at this moment."""

from collections.abc import Mapping
from uuid import UUID

from domain.access.model import Act, Caller, Permission, Scope
from domain.access.ports import Policy
from domain.access.rules import rights_of_grants
from domain.access.standing import roles_now
from domain.values import new_id
from domain.webhooks.delivering import Standing
from domain.webhooks.model import StoredWebhook
from infra.access.rights import SqlRightsWork
from infra.db.pool import Driver

DISPATCHER = "webhook dispatcher"


def own_act(tenant_id: UUID, webhook_id: UUID) -> Act:
    """What the dispatcher does by itself is on record under the endpoint's id."""
    caller = Caller(
        tenant_id=tenant_id,
        tenant_slug="",
        tenant_name="",
        principal_id=webhook_id,
        user_id=None,
        actor=DISPATCHER,
        session_id=None,
        key_id=None,
        roles=(),
        rights={},
    )
    return Act(
        caller=caller,
        permission=Permission.WEBHOOKS_WRITE,
        operation="webhooks",
        request_id=f"webhook-{new_id()}",
    )


async def standing_of(driver: Driver, policy: Policy, tenant_id: UUID, stored: StoredWebhook) -> Standing | None:
    """What it may be sent; None: its maker may read no events. Two statements, one for a key."""
    work = SqlRightsWork(driver, own_act(tenant_id, stored.id))
    rights: Mapping[Permission, Scope] = {}
    if stored.maker.key_id is not None:
        key = await work.scopes_of(stored.maker.key_id)
        rights = {} if key is None else key.rights
    elif stored.maker.user_id is not None:
        grants = await work.grants_of(stored.maker.user_id)
        rights = rights_of_grants(grants, await roles_now(work, policy)) if grants else {}
    return Standing.of(rights, types=stored.facts.types, location_ids=stored.facts.location_ids)
