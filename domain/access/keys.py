"""API keys: made, changed, replaced and ended by people and keys that can do as much themselves."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from domain.access.credentials import hash_of, last4_of, new_api_key, prefix_of
from domain.access.model import Act
from domain.access.ports import Policy
from domain.access.rights import KeyFacts, KeyView, NewKey, RightsWork, StoredKey, as_of_now, require_version
from domain.access.rules import require_cover, scope_covers
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import clean_line, new_id

OVERLAP = timedelta(hours=24)
OVERLAP_LONGEST_HOURS = 168
LAST_YEAR = 2999
"""Further than that nobody looks, and the last moment there is means "never" to the database."""

type Changes = Mapping[str, object]
"""New values by attribute of `KeyFacts`; what is not in it stays."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A new key, and its text, which is told once and kept nowhere."""

    view: KeyView
    key: str

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"Told({self.view.id})"


async def create_key(work: RightsWork, policy: Policy, *, act: Act, facts: KeyFacts) -> Told:
    """Make a key that can do no more than who makes it."""
    act, _ = await as_of_now(work, policy, act)
    facts = await _checked(work, act, facts)
    require_cover(act.caller.rights, facts.rights)
    return await _added(work, act, facts)


async def change_key(
    work: RightsWork, policy: Policy, *, act: Act, key_id: UUID, changes: Changes, expected_version: int
) -> KeyView:
    """Change what a key is called, what it may do, where, and until when.

    Raises:
        DomainError: the caller cannot do all that the key could or shall; a new name alone asks for no more than
            that the key's locations are the caller's.
    """
    act, stored = await _open(work, policy, act, key_id)
    require_version("API key", expected=expected_version, actual=stored.version)
    facts = await _checked(work, act, msgspec.structs.replace(stored.facts, **changes), before=stored.facts)
    if facts == stored.facts:
        return await work.key_view(key_id)
    if facts != msgspec.structs.replace(stored.facts, name=facts.name):
        require_cover(act.caller.rights, stored.facts.rights)
        require_cover(act.caller.rights, facts.rights)
    await work.store_key(key_id, facts)
    return await work.key_view(key_id)


async def revoke_key(work: RightsWork, policy: Policy, *, act: Act, key_id: UUID) -> KeyView:
    """End a key for good. Whoever administers keys at all of its locations may; what is revoked stays so."""
    act, stored = await _reached(work, policy, act, key_id)
    if stored.revoked_at is None:
        await work.end_key(key_id)
    return await work.key_view(key_id)


async def rotate_key(
    work: RightsWork,
    policy: Policy,
    *,
    act: Act,
    key_id: UUID,
    overlap: timedelta = OVERLAP,
    expected_version: int | None = None,
) -> Told:
    """A new key for the same purpose, and for as long as the old one was made for; the old one ends soon.

    Raises:
        DomainError: the caller cannot do all that the key can; INVALID_TRANSITION, it has ended or was replaced.
    """
    act, stored = await _open(work, policy, act, key_id)
    require_version("API key", expected=expected_version, actual=stored.version)
    if stored.successor_id is not None:
        message = "This key has been replaced already; rotate the one in its place"
        raise DomainError(
            Reason.INVALID_TRANSITION,
            message,
            state="ROTATED",
            allowed=["revoke"],
            successorId=stored.successor_id,
        )
    require_cover(act.caller.rights, stored.facts.rights)
    # Before the old key gets another end: it may be the one that calls.
    own_end = await _own_end(work, act)
    now, ends = await work.now(), stored.facts.expires_at
    last_day = now + overlap
    await work.store_key(
        key_id, msgspec.structs.replace(stored.facts, expires_at=last_day if ends is None else min(ends, last_day))
    )
    until = [now + (ends - stored.created_at)] if ends is not None else []
    until += [own_end] if own_end is not None else []
    facts = msgspec.structs.replace(stored.facts, expires_at=min(until, default=None))
    return await _added(work, act, facts, rotates_id=key_id)


async def held_key(work: RightsWork, policy: Policy, *, act: Act, key_id: UUID) -> StoredKey:
    """A key that has not ended, locked, to be changed by somebody who can do all that it can.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, PERMISSION_DENIED; INVALID_TRANSITION, it has ended.
    """
    act, stored = await _open(work, policy, act, key_id)
    require_cover(act.caller.rights, stored.facts.rights)
    return stored


async def _added(work: RightsWork, act: Act, facts: KeyFacts, *, rotates_id: UUID | None = None) -> Told:
    id_, key = new_id(), new_api_key()
    await work.add_key(
        NewKey(
            id=id_,
            facts=facts,
            key_hash=hash_of(key),
            prefix=prefix_of(key),
            last4=last4_of(key),
            created_by=act.caller.principal_id,
            rotates_id=rotates_id,
        )
    )
    return Told(view=await work.key_view(id_), key=key)


async def _reached(work: RightsWork, policy: Policy, act: Act, key_id: UUID) -> tuple[Act, StoredKey]:
    """A key all of whose locations the caller administers keys at.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED.
    """
    act, _ = await as_of_now(work, policy, act)
    stored = await work.lock_key(key_id)
    if stored is None:
        raise not_found("API key")
    places = stored.facts.location_ids
    if not scope_covers(act.scope, None if places is None else frozenset(places)):
        raise DomainError(Reason.LOCATION_DENIED, "Your rights do not cover all locations of this key")
    return act, stored


async def _open(work: RightsWork, policy: Policy, act: Act, key_id: UUID) -> tuple[Act, StoredKey]:
    """Likewise, and it has not ended."""
    act, stored = await _reached(work, policy, act, key_id)
    ends = stored.facts.expires_at
    if stored.revoked_at is not None:
        raise _ended("revoked", "REVOKED")
    if ends is not None and ends <= await work.now():
        raise _ended("expired", "EXPIRED")
    return act, stored


def _ended(how: str, state: str) -> DomainError:
    message = f"This key has {how}, and that is final; make another one"
    return DomainError(Reason.INVALID_TRANSITION, message, state=state, allowed=[])


async def _checked(work: RightsWork, act: Act, facts: KeyFacts, *, before: KeyFacts | None = None) -> KeyFacts:
    """The facts in their one form: each scope and location once, in order.

    Raises:
        FieldError: the name is no line, or the end is not to come.
        DomainError: LOCATION_DENIED or NOT_FOUND for a location.
    """
    try:
        name = clean_line(facts.name, longest=200)
    except ValueError as problem:
        raise FieldError(("name", str(problem))) from None
    is_new_end = before is None or facts.expires_at != before.expires_at
    if facts.expires_at is not None and is_new_end and facts.expires_at <= await work.now():
        raise FieldError(("expiresAt", "must be in the future; revoke a key to end it now"))
    if facts.expires_at is not None and facts.expires_at.year > LAST_YEAR:
        raise FieldError(("expiresAt", f"must be before the end of {LAST_YEAR}, or null for never"))
    own_end = await _own_end(work, act)
    if is_new_end and own_end is not None and (facts.expires_at is None or facts.expires_at > own_end):
        raise FieldError(("expiresAt", "must not be later than the end of the key that you call with"))
    places = None if facts.location_ids is None else tuple(sorted(set(facts.location_ids)))
    if before is None or places != before.location_ids:
        await _require_places(work, act, places)
    return KeyFacts(
        name=name, scopes=tuple(sorted(set(facts.scopes))), location_ids=places, expires_at=facts.expires_at
    )


async def _own_end(work: RightsWork, act: Act) -> datetime | None:
    """When the caller's key ends, if it is one that does: no key makes one that outlives it."""
    if act.caller.key_id is None:
        return None
    own = await work.scopes_of(act.caller.key_id)
    return None if own is None else own.expires_at


async def _require_places(work: RightsWork, act: Act, places: Iterable[UUID] | None) -> None:
    if places is None:
        if act.scope is not None:
            raise DomainError(Reason.LOCATION_DENIED, "You administer keys at some locations, not at all of them")
        return
    places = tuple(places)
    for place in places:
        act.caller.require_location(act.permission, place)
    if await work.unknown_locations(places):
        raise not_found("location", field="locationIds")
