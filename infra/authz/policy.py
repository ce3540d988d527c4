"""Casbin behind the domain's `Policy`.

Casbin weighs every rule for every question: a role costs milliseconds, so it is asked once and its answers are
kept as sets. Default roles are asked about at start-up; a tenant's own roles when they are first met, and again
when the tenant's rules have another version. Each version of each tenant has an enforcer of its own, made anew:
nothing is ever changed in place, so no request meets a half-loaded policy.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Never, Self, override
from uuid import UUID

import structlog
from casbin.async_enforcer import AsyncEnforcer
from casbin.model.model import Model
from casbin.persist.adapters.asyncio import AsyncAdapter

from domain.access.model import Permission
from domain.access.ports import PolicyRepository, Rule, TenantRules
from domain.access.rules import is_role_code, known_permission
from infra.authz.reviewed import PolicyError, Reviewed, reviewed, role_id

TENANTS_KEPT = 1_000
_ANY_TENANT = str(UUID(int=0))

_log = structlog.get_logger("storekeeper.authz")


class CasbinPolicy:
    """What roles permit: the default ones everywhere, a tenant's own ones there."""

    def __init__(
        self,
        repository: PolicyRepository,
        source: Reviewed,
        defaults: Mapping[str, frozenset[Permission]],
    ) -> None:
        self._repository = repository
        self._source = source
        self._defaults = defaults
        self._tenants: OrderedDict[UUID, _TenantPolicy] = OrderedDict()
        self._asking = asyncio.Lock()

    @classmethod
    async def load(cls, repository: PolicyRepository, *, folder: Path | None = None) -> Self:
        """Read and check the reviewed policy, and learn what the default roles permit.

        Raises:
            PolicyError: it cannot be trusted; do not start.
        """
        source = reviewed(folder)
        enforcer = await _enforcer(source, _Rules(source))
        defaults = await asyncio.to_thread(_answers, enforcer, source.roles, _ANY_TENANT)
        if idle := [role for role, permissions in defaults.items() if not permissions]:
            raise PolicyError(f"The model grants nothing to {', '.join(sorted(idle))}")
        return cls(repository, source, defaults)

    @property
    def default_roles(self) -> frozenset[str]:
        return frozenset(self._defaults)

    async def permissions(
        self, *, tenant_id: UUID, roles: frozenset[str], version: str
    ) -> Mapping[str, frozenset[Permission]]:
        own = roles - self._defaults.keys()
        if not own:
            return self._defaults
        policy = self._tenants.get(tenant_id)
        if policy is None or policy.version != version or not own <= policy.answers.keys():
            async with self._asking:
                policy = await self._asked(tenant_id, own, version)
        self._tenants.move_to_end(tenant_id)
        return {**policy.answers, **self._defaults}

    async def _asked(self, tenant_id: UUID, own: Iterable[str], version: str) -> "_TenantPolicy":
        policy = self._tenants.get(tenant_id)
        if policy is None or policy.version != version:
            rules = _Rules(self._source, tenant_id, self._repository)
            enforcer = await _enforcer(self._source, rules)
            # The rules may be newer than the caller's version by now: then they are kept as what they are.
            policy = _TenantPolicy(rules.version, enforcer)
        new = frozenset(own) - policy.answers.keys()
        answers = await asyncio.to_thread(_answers, policy.enforcer, new, str(tenant_id))
        policy.answers = {**policy.answers, **answers}
        self._tenants[tenant_id] = policy
        self._tenants.move_to_end(tenant_id)
        if len(self._tenants) > TENANTS_KEPT:
            self._tenants.popitem(last=False)
        return policy


class _TenantPolicy:
    __slots__ = ("answers", "enforcer", "version")

    def __init__(self, version: str, enforcer: Any) -> None:
        self.version = version
        self.enforcer = enforcer
        self.answers: Mapping[str, frozenset[Permission]] = {}


class _Rules(AsyncAdapter):
    """The reviewed rules, and one tenant's own from the repository.

    It only reads: rules are written as rows of ours, which have keys.
    """

    def __init__(
        self, source: Reviewed, tenant_id: UUID | None = None, repository: PolicyRepository | None = None
    ) -> None:
        self._source = source
        self._tenant_id = tenant_id
        self._repository = repository
        self.version = ""

    @override
    async def load_policy(self, model: Any) -> None:
        for line in self._source.permits:
            model.add_policy("p", "p", list(line))
        for line in self._source.inherits:
            model.add_policy("g", "g", list(line))
        if self._repository is not None and self._tenant_id is not None:
            own = await self._repository.rules_of(self._tenant_id)
            self.version = own.version
            for rule in self._usable(own):
                model.add_policy("p", "p", [role_id(rule.role), str(self._tenant_id), rule.permission])

    def _usable(self, own: TenantRules) -> Iterable[Rule]:
        """The rules that can be what they say; one that cannot grants nothing, and the rest still hold."""
        defaults = self._source.roles
        for rule in own.rules:
            if rule.role in defaults or not is_role_code(rule.role) or known_permission(rule.permission) is None:
                _log.warning(
                    "policy_rule_ignored",
                    tenant_id=str(self._tenant_id),
                    role=rule.role,
                    permission=rule.permission,
                )
            else:
                yield rule

    @override
    async def save_policy(self, model: Any) -> Never:
        raise NotImplementedError

    @override
    async def add_policy(self, sec: str, ptype: str, rule: Any) -> Never:
        raise NotImplementedError

    @override
    async def remove_policy(self, sec: str, ptype: str, rule: Any) -> Never:
        raise NotImplementedError

    @override
    async def remove_filtered_policy(self, sec: str, ptype: str, field_index: int, *field_values: str) -> Never:
        raise NotImplementedError


async def _enforcer(source: Reviewed, rules: _Rules) -> Any:
    model: Any = Model()  # type: ignore[no-untyped-call]
    model.load_model(str(source.model))
    enforcer: Any = AsyncEnforcer(model, rules)
    await enforcer.load_policy()  # the constructor loads nothing, and an enforcer without rules says no to all
    return enforcer


def _answers(enforcer: Any, roles: Iterable[str], tenant: str) -> dict[str, frozenset[Permission]]:
    return {
        role: frozenset(
            permission for permission in Permission if enforcer.enforce(role_id(role), tenant, str(permission))
        )
        for role in roles
    }
