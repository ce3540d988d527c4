"""Channels, the locations that serve them, and how they share stock: each change is told to the feed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act, Scope
from domain.availability.model import Mode, Period, Policy, Respects
from domain.availability.policies import Place, check
from domain.catalog.model import Stored
from domain.catalog.ports import Records, Shelf
from domain.catalog.rules import require_everywhere
from domain.catalog.service import Changes, added, changed, locked, removed, replaced, require_version
from domain.catalog.views import View
from domain.errors import DomainError, FieldError, Reason
from domain.values import clean_line

CHANNEL, POLICY = "channel", "channel_policy"
CODE_LENGTH, NAME_LENGTH = 64, 200


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    type: str
    location_ids: tuple[UUID, ...] = ()
    """Those that serve it; from others it sells nothing."""
    is_active: bool = True


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as it is kept; see `domain.availability.model.Policy` for what each part means."""

    channel_id: UUID | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    is_closed: bool = False
    mode: Mode = Mode.REGULAR
    priority: int = 100
    respects: Respects = Respects.ALL_OTHERS
    fence: Decimal = Decimal(0)
    fence_version: int = 1
    buffer_units: Decimal = Decimal(0)
    buffer_percent: Decimal = Decimal(0)
    ceiling: Decimal | None = None
    ceiling_period: Period = Period.TOTAL
    low_threshold: Decimal = Decimal(0)
    critical_threshold: Decimal = Decimal(0)
    min_remaining_days: int = 0

    @property
    def place(self) -> Place:
        return self.channel_id, self.location_id, self.product_id


class ChannelView(View, frozen=True, kw_only=True):
    """`locationIds` are those that serve the channel, as far as you may look at them."""

    id: UUID
    code: str
    name: str
    type: str
    location_ids: Sequence[UUID]
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class PolicyView(View, frozen=True, kw_only=True):
    """What is null is any: the policy that names most counts, product before location before channel.

    `fence` is kept for the channel, `ceiling` is what it may take, of each product at each location. What was
    taken of a fence counts until the fence is set anew (`fenceVersion`).
    """

    id: UUID
    channel_id: UUID | None
    channel_code: str | None
    location_id: UUID | None
    location_code: str | None
    product_id: UUID | None = field(name="productMasterId")
    sku: str | None
    is_closed: bool = field(name="closed")
    mode: Mode
    priority: int
    respects: Respects
    fence: Decimal
    fence_version: int
    buffer_units: Decimal
    buffer_percent: Decimal
    ceiling: Decimal | None
    ceiling_period: Period
    low_threshold: Decimal
    critical_threshold: Decimal
    min_remaining_days: int = field(name="minRemainingShelfLifeDays")
    version: int
    created_at: datetime
    updated_at: datetime


class ChannelFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    type: str | None = None
    is_active: bool | None = None


class PolicyFilter(msgspec.Struct, frozen=True, kw_only=True):
    channel_id: UUID | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    within: list[UUID] | None = None
    """Those of these locations, and those that name none."""


class ChannelQueries(Protocol):
    """Channels and policies to read: one statement each."""

    @property
    def channels(self) -> Shelf[ChannelFilter, ChannelView]: ...
    @property
    def policies(self) -> Shelf[PolicyFilter, PolicyView]: ...


class ChannelWork(Protocol):
    """Channels and policies in one transaction."""

    @property
    def channels(self) -> Records[Channel, ChannelView]: ...
    @property
    def policies(self) -> Records[PolicyFacts, PolicyView]: ...

    async def lock_policy(self, place: Place) -> Stored[PolicyFacts] | None:
        """The policy of exactly this place; until the unit of work ends, nobody else makes one for it."""
        ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


async def create_channel(work: ChannelWork, *, act: Act, channel: Channel) -> ChannelView:
    """A new channel. Channels belong to the whole company: who is limited to locations cannot make one."""
    require_everywhere(act)
    return await added(work, work.channels, CHANNEL, _clean(channel))


async def change_channel(
    work: ChannelWork, *, act: Act, channel_id: UUID, changes: Changes, expected_version: int | None
) -> ChannelView:
    """Change a channel, or which locations serve it; one that is not active may promise nothing."""
    require_everywhere(act)
    stored = await locked(work.channels, CHANNEL, channel_id, expected_version=expected_version)
    return await changed(work, work.channels, CHANNEL, stored, _clean(replaced(stored.facts, changes)))


async def put_policy(
    work: ChannelWork, *, act: Act, policy: PolicyFacts, expected_version: int | None
) -> PolicyView:
    """Say how a place is shared, in place of what was said of it before.

    A fence that is set to another quantity starts anew: what was taken of the old one does not count against it.

    Raises:
        FieldError: it cannot be meant.
        DomainError: LOCATION_DENIED, STALE_VERSION (`actual` 0: there is none yet), NOT_FOUND.
    """
    _require_place(act, policy.location_id)
    check(Policy(**msgspec.structs.asdict(policy)))
    at = _at(policy)
    stored = await work.lock_policy(policy.place)
    if stored is None:
        if expected_version:
            message = "There is no such policy any more"
            raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=0)
        return await added(work, work.policies, POLICY, policy, locations=at)
    require_version(stored, POLICY, expected_version)
    before = stored.facts
    fence_version = before.fence_version + (policy.fence != before.fence)
    after = msgspec.structs.replace(policy, fence_version=fence_version)
    return await changed(work, work.policies, POLICY, stored, after, locations=at)


async def delete_policy(work: ChannelWork, *, act: Act, policy_id: UUID) -> None:
    """Take a policy away: the next less special one counts, or none."""
    stored = await locked(work.policies, POLICY, policy_id, expected_version=None)
    _require_place(act, stored.facts.location_id)
    await removed(work, work.policies, POLICY, stored, locations=_at(stored.facts))


def shown_to(scope: Scope, channel: ChannelView) -> ChannelView:
    """The channel with those of its locations that the caller may look at."""
    if scope is None:
        return channel
    return msgspec.structs.replace(channel, location_ids=[one for one in channel.location_ids if one in scope])


def _require_place(act: Act, location_id: UUID | None) -> None:
    if location_id is None:
        require_everywhere(act)
    else:
        act.caller.require_location(act.permission, location_id)


def _at(policy: PolicyFacts) -> Sequence[UUID]:
    return () if policy.location_id is None else (policy.location_id,)


def _clean(channel: Channel) -> Channel:
    problems, clean = [], {}
    for name, longest in (("code", CODE_LENGTH), ("name", NAME_LENGTH)):
        try:
            clean[name] = clean_line(getattr(channel, name), longest=longest)
        except ValueError as problem:
            problems.append((name, str(problem)))
    if problems:
        raise FieldError(*problems)
    return msgspec.structs.replace(channel, **clean, location_ids=tuple(sorted(set(channel.location_ids))))
