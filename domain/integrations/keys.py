"""The field mapping of an API key: set by whoever may change the key."""

from uuid import UUID

from domain.access.keys import held_key
from domain.access.model import Act
from domain.access.ports import Policy
from domain.access.rights import require_version
from domain.integrations.mapping import FieldMapping, checked
from domain.integrations.ports import MappingWork, StoredMapping


async def set_mapping(
    work: MappingWork,
    policy: Policy,
    *,
    act: Act,
    key_id: UUID,
    mapping: FieldMapping | None,
    expected_version: int | None,
) -> StoredMapping:
    """Put a mapping in place of what there is; None takes it away.

    Raises:
        FieldError: it cannot be meant.
        DomainError: the caller may not change the key; STALE_VERSION.
    """
    if mapping is not None:
        mapping = checked(mapping)
    await held_key(work, policy, act=act, key_id=key_id)
    stored = await work.lock_mapping(key_id)
    require_version("field mapping", expected=expected_version, actual=stored.version)
    return stored if stored.mapping == mapping else await work.store_mapping(key_id, mapping)
