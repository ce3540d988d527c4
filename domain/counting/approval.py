"""Who must agree to a variance before it is posted.

A tier says how many people must approve what is worth more than it. Each of them stands for an authority of their
own: who approves in another's place uses up that other's approval too, and the one whose own work it is, by
counting or by proposing to accept it, has none.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.delegations import Authority, InForce, authority_over
from domain.access.model import Caller, Permission
from domain.errors import DomainError, Reason
from domain.settings.model import ApprovalTier

APPROVE = Permission.INVENTORY_CYCLECOUNT_APPROVE


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who agreed to a variance, by all that they are known by, and in whose place."""

    identities: frozenset[UUID]
    on_behalf_of: UUID | None = None

    @property
    def authorities(self) -> frozenset[UUID]:
        return self.identities | ({self.on_behalf_of} if self.on_behalf_of else frozenset())


def approvals_needed(tiers: Iterable[ApprovalTier], value: Decimal) -> int:
    """How many approvals a variance of this value takes: those of the highest tier that it is above."""
    return max((tier.approvals for tier in tiers if value > tier.above), default=0)


def authority_to_approve(
    caller: Caller,
    in_force: InForce,
    *,
    counters: frozenset[UUID],
    proposers: frozenset[UUID],
    signatures: Sequence[Signature],
    location_id: UUID,
) -> Authority:
    """In whose name the caller approves a variance at a location.

    Raises:
        DomainError: PERMISSION_DENIED, LOCATION_DENIED; SELF_APPROVAL, it is their own, or they have approved it
            already, or the same of everybody in whose place they could.
    """
    used = frozenset[UUID]().union(*(signature.authorities for signature in signatures))
    authority = authority_over(
        APPROVE,
        in_force.at,
        caller,
        in_force.delegations,
        authors=counters | proposers,
        location_id=location_id,
    )
    if not used:
        return authority
    if caller.identities & used:
        raise DomainError(Reason.SELF_APPROVAL, "You have approved it already; another person must")
    return authority_over(
        APPROVE,
        in_force.at,
        caller,
        in_force.delegations,
        authors=counters | proposers | used,
        location_id=location_id,
    )
