"""What all kinds of the catalog have in common: added, changed and removed, each with its event in the feed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.catalog.model import Stored
from domain.catalog.ports import Feed, Records
from domain.catalog.rules import path_of
from domain.errors import DomainError, Reason, not_found
from domain.values import new_id

type Changes = Mapping[str, object]
"""New values by attribute; what is not in it stays."""


async def added[F: msgspec.Struct, V](
    work: Feed, records: Records[F, V], kind: str, facts: F, *, locations: Sequence[UUID] = ()
) -> V:
    """Add one and tell the feed. Three statements."""
    id_ = new_id()
    await records.add({id_: facts})
    return await told_of(work, records, kind, id_, facts, locations=locations)


async def told_of[F: msgspec.Struct, V](
    work: Feed, records: Records[F, V], kind: str, id_: UUID, facts: F, *, locations: Sequence[UUID] = ()
) -> V:
    """Tell the feed of one that was added, and show it."""
    view = await records.view(id_)
    payload = {"id": id_, "version": 1, **facts_of(facts)}
    # Last, as its position is handed out under the tenant's head, which everybody who posts waits for.
    await work.record(f"catalog.{kind}.created.v1", kind, id_, payload, locations=locations)
    return view


async def added_many[F: msgspec.Struct, V](
    work: Feed, records: Records[F, V], kind: str, many: Sequence[F], *, locations: Sequence[UUID] = ()
) -> Sequence[UUID]:
    """Add thousands in one statement, with one event for all of them. Their ids, in their order."""
    if not many:
        return ()
    rows = {new_id(): facts for facts in many}
    await records.add(rows)
    await told_of_many(work, kind, tuple(rows), locations=locations)
    return tuple(rows)


async def told_of_many(work: Feed, kind: str, ids: Sequence[UUID], *, locations: Sequence[UUID] = ()) -> None:
    batch = new_id()
    payload = {"batch": batch, "count": len(ids), "ids": ids}
    await work.record(f"catalog.{kind}.batch_created.v1", f"{kind}_batch", batch, payload, locations=locations)


async def locked[F: msgspec.Struct, V](
    records: Records[F, V], kind: str, id_: UUID, *, expected_version: int | None
) -> Stored[F]:
    """What is to be changed, as it stands.

    Raises:
        DomainError: it is not there, or not at the version that the writer knows.
    """
    stored = await found(records, kind, id_)
    require_version(stored, kind, expected_version)
    return stored


async def found[F: msgspec.Struct, V](records: Records[F, V], kind: str, id_: UUID) -> Stored[F]:
    stored = await records.lock(id_)
    if stored is None:
        raise not_found(kind)
    return stored


def require_version[F](stored: Stored[F], kind: str, expected_version: int | None) -> None:
    """Refuse who has not seen the latest change."""
    if expected_version is not None and expected_version != stored.version:
        message = f"The {kind} has been changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=stored.version)


async def changed[F: msgspec.Struct, V](
    work: Feed,
    records: Records[F, V],
    kind: str,
    stored: Stored[F],
    facts: F,
    *,
    locations: Sequence[UUID] = (),
) -> V:
    """Put the new facts in place of the old and tell the feed; where they are the same, nothing happens."""
    if facts != stored.facts:
        await records.store(stored.id, facts)
    view = await records.view(stored.id)
    if facts != stored.facts:
        payload = {"id": stored.id, "version": stored.version + 1, "changes": _differences(stored.facts, facts)}
        await work.record(f"catalog.{kind}.changed.v1", kind, stored.id, payload, locations=locations)
    return view


async def removed[F: msgspec.Struct, V](
    work: Feed,
    records: Records[F, V],
    kind: str,
    stored: Stored[F],
    *,
    locations: Sequence[UUID] = (),
) -> None:
    """Remove what nothing refers to.

    Raises:
        DomainError: IN_USE, with what refers to it.
    """
    uses = {name: count for name, count in (await records.uses(stored.id)).items() if count}
    if uses:
        listed = ", ".join(sorted(uses))
        message = f"The {kind} is in use ({listed}) and cannot be deleted; deactivate it instead"
        raise DomainError(Reason.IN_USE, message, usedBy=uses)
    await records.remove(stored.id)
    payload = {"id": stored.id, "version": stored.version, **facts_of(stored.facts)}
    await work.record(f"catalog.{kind}.deleted.v1", kind, stored.id, payload, locations=locations)


def replaced[F: msgspec.Struct](facts: F, changes: Changes) -> F:
    return msgspec.structs.replace(facts, **changes)


def facts_of(facts: msgspec.Struct) -> dict[str, Any]:
    """The facts under the wire's names, as events carry them."""
    return {path_of(name): value for name, value in msgspec.structs.asdict(facts).items()}


def _differences(before: msgspec.Struct, after: msgspec.Struct) -> dict[str, Any]:
    old, new = facts_of(before), facts_of(after)
    return {name: {"from": old[name], "to": new[name]} for name in old if old[name] != new[name]}
