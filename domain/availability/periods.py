"""Under which names claims are counted against a policy."""

from datetime import date

from domain.availability.model import Policy
from domain.availability.policies import period_start


def periods(policy: Policy, today: date) -> tuple[str | None, str | None]:
    """Of the policy's fence as it was last set, and of its ceiling's current period; None where it has none."""
    if policy.id is None:
        return None, None
    fence = f"F:{policy.id}:{policy.fence_version}" if policy.fence else None
    if policy.ceiling is None:
        return fence, None
    start = period_start(policy.ceiling_period, today)
    return fence, f"C:{policy.id}:{start or 'total'}"
