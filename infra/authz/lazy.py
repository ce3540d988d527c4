"""The policy for those who ask rarely: loaded when it is first asked."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from domain.access.model import Permission
from domain.access.ports import PolicyRepository
from infra.authz.policy import CasbinPolicy


class LazyPolicy:
    """The `Policy` port; the composition root has no moment to wait for it to load."""

    def __init__(self, repository: PolicyRepository) -> None:
        self._repository = repository
        self._loading = asyncio.Lock()
        self._loaded: CasbinPolicy | None = None

    async def permissions(
        self, *, tenant_id: UUID, roles: frozenset[str], version: str
    ) -> Mapping[str, frozenset[Permission]]:
        policy = self._loaded or await self._load()
        return await policy.permissions(tenant_id=tenant_id, roles=roles, version=version)

    async def _load(self) -> CasbinPolicy:
        async with self._loading:
            if self._loaded is None:
                self._loaded = await CasbinPolicy.load(self._repository)
            return self._loaded
