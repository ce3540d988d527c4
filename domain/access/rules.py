"""Pure rules of access: what grants and scopes come to, and what a session's age means."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

import msgspec

from domain.access.model import Permission, Scope
from domain.access.ports import FoundKey, FoundSession, Grant, Rule, TenantRules
from domain.errors import DomainError, Reason

_EMAIL_LONGEST = 320
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PERMISSIONS = {str(permission): permission for permission in Permission}
WILDCARDS = ("integrations.*", "integrations.inventory.*", "integrations.locations.*", "integrations.products.*")
"""Scopes that stand for all permissions that begin so, also for those that are still to come."""
_OF_SCOPES: Mapping[str, tuple[Permission, ...]] = {
    **{name: (permission,) for name, permission in _PERMISSIONS.items()},
    **{
        wildcard: tuple(p for name, p in _PERMISSIONS.items() if name.startswith(wildcard.removesuffix("*")))
        for wildcard in WILDCARDS
    },
}
ADMINISTRATION = frozenset({Permission.ADMIN_APIKEYS, Permission.ADMIN_SETTINGS, Permission.ADMIN_USERS})
"""What an admin holds everywhere; a tenant always keeps somebody who holds all of it."""


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session lasts: unused, and at all."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)


def rights_of_grants(
    grants: Iterable[Grant], permissions: Mapping[str, frozenset[Permission]]
) -> dict[Permission, Scope]:
    """What grants of roles come to: for each permission, the union of the locations they were given for."""
    # By roles first: who holds some roles at hundreds of locations comes in once a minute.
    held: dict[str, set[UUID | None]] = {}
    for grant in grants:
        held.setdefault(grant.role, set()).add(grant.location_id)
    rights: dict[Permission, Scope] = {}
    for role, places in held.items():
        scope = None if None in places else frozenset(place for place in places if place is not None)
        for permission in permissions.get(role, ()):
            rights[permission] = _union(rights.get(permission, frozenset()), scope)
    return rights


def rights_of_scopes(scopes: Iterable[str], location_ids: Iterable[UUID] | None) -> dict[Permission, Scope]:
    """What an API key may do: its scopes, all of them at the key's locations. An unknown scope is none."""
    scope = None if location_ids is None else frozenset(location_ids)
    return {permission: scope for name in scopes for permission in _OF_SCOPES.get(name, ())}


def lacking(held: Mapping[Permission, Scope], wanted: Mapping[Permission, Scope]) -> tuple[Permission, ...]:
    """What of the rights wanted is not held, or not at all of the locations it is wanted for."""
    return tuple(sorted(p for p, scope in wanted.items() if p not in held or not scope_covers(held[p], scope)))


def covers(held: Mapping[Permission, Scope], wanted: Mapping[Permission, Scope]) -> bool:
    """Whether somebody with the rights held may hand on those wanted: nobody gives more than they hold."""
    return not lacking(held, wanted)


def require_cover(held: Mapping[Permission, Scope], wanted: Mapping[Permission, Scope]) -> None:
    """Refuse who would hand on, or take away, more than they hold; one of the permissions missing is named."""
    missing = lacking(held, wanted)
    if not missing:
        return
    if all(permission in held for permission in missing):
        raise DomainError(
            Reason.LOCATION_DENIED,
            f"You hold {missing[0]} yourself, but not at all of these locations",
            permission=missing[0],
            missing=missing,
        )
    first = next(permission for permission in missing if permission not in held)
    raise DomainError(
        Reason.PERMISSION_DENIED,
        f"You do not hold {first} there yourself, so you can neither give nor take it",
        permission=first,
        missing=missing,
    )


def administers(rights: Mapping[Permission, Scope]) -> bool:
    """Whether somebody may administer all of the tenant."""
    return covers(rights, dict.fromkeys(ADMINISTRATION))


def scope_covers(held: Scope, wanted: Scope) -> bool:
    """Whether all locations wanted are among those held; None is all of them."""
    return held is None or (wanted is not None and wanted <= held)


def locations_of(rights: Mapping[Permission, Scope]) -> Scope:
    """All locations where somebody may do anything at all."""
    together: frozenset[UUID] = frozenset()
    for scope in rights.values():
        if scope is None:
            return None
        together |= scope
    return together


def known_permission(name: str) -> Permission | None:
    return _PERMISSIONS.get(name)


def is_role_code(text: str) -> bool:
    """Whether a tenant's own role may be called so: nothing in it means anything to the policy's format."""
    return _ROLE.fullmatch(text) is not None


def tenant_rules(rules: Iterable[Rule]) -> TenantRules:
    """Rules in a fixed order, under a version made from them."""
    ordered = tuple(sorted(set(rules)))
    digest = hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()
    return TenantRules(version=digest, rules=ordered)


def email_of(text: str) -> str | None:
    """An address as it is stored; None if it cannot be one."""
    small = unicodedata.normalize("NFC", text).strip().lower()
    email = unicodedata.normalize("NFC", small)  # small letters may be one character where capitals are two
    local, _, host = email.rpartition("@")
    if not local or not host or len(email) > _EMAIL_LONGEST:
        return None
    return email if email.isprintable() and " " not in email else None


def refuse_ended(found: FoundSession, *, idle: timedelta) -> None:
    """Refuse a session that is past one of its limits, by the database's clock."""
    if found.now_at >= found.expires_at or found.now_at - found.seen_at >= idle:
        raise DomainError(Reason.SESSION_EXPIRED, "The session has expired; log in again")


def refuse_spent(found: FoundKey) -> None:
    """Refuse a key that was revoked or has expired, by the database's clock."""
    if found.revoked_at is not None:
        raise DomainError(Reason.REVOKED_API_KEY, "This API key has been revoked")
    if found.expires_at is not None and found.now_at >= found.expires_at:
        raise DomainError(Reason.EXPIRED_API_KEY, "This API key has expired")


def _union(one: Scope, other: Scope) -> Scope:
    return None if one is None or other is None else one | other
