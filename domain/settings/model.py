"""What a company decides once for all of its people: every setting with its default and its bounds."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

TIERS_MAX = 10
PERCENT_MAX = 100
RETENTION_LEAST = 30
DAYS_MAX = 36_500

type Percent = Decimal
type RetentionDays = Annotated[int, Meta(ge=RETENTION_LEAST, le=DAYS_MAX)]
type WarningDays = Annotated[int, Meta(ge=0, le=DAYS_MAX)]
type CountDays = Annotated[int, Meta(ge=1, le=DAYS_MAX)]
type Approvals = Annotated[int, Meta(ge=1, le=5)]


class CountTolerance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a count may differ from the books and still be accepted by itself; null sets no such bound."""

    units: Decimal | None = None
    percent: Percent | None = None
    value: Decimal | None = None


class CountToleranceByClass(msgspec.Struct, frozen=True, kw_only=True):
    """For products of an ABC class, in place of the general one."""

    a: CountTolerance | None = msgspec.field(name="A", default=None)
    b: CountTolerance | None = msgspec.field(name="B", default=None)
    c: CountTolerance | None = msgspec.field(name="C", default=None)


class AbcThresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Percent of the whole up to which cumulative shares are of class A and B; the rest is C."""

    a: Percent = msgspec.field(name="A", default=Decimal(80))
    b: Percent = msgspec.field(name="B", default=Decimal(95))


class CountEveryDays(msgspec.Struct, frozen=True, kw_only=True):
    """After how many days products of each class are due to be counted again."""

    a: CountDays = msgspec.field(name="A", default=30)
    b: CountDays = msgspec.field(name="B", default=90)
    c: CountDays = msgspec.field(name="C", default=180)


class ApprovalTier(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is worth more than `above` takes so many people to approve."""

    above: Decimal
    approvals: Approvals = 1


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The settings in force. The names are those on the wire and in the database."""

    root_cause_threshold: Decimal | None = None
    """A single adjustment of more units than this must name its root cause; None: never."""
    count_tolerance_units: Decimal | None = None
    count_tolerance_percent: Percent | None = None
    count_tolerance_value: Decimal | None = None
    """A count within all of the tolerances that are set is accepted by itself; where none is set, none is."""
    count_tolerance_by_class: CountToleranceByClass = CountToleranceByClass()
    approval_tiers: tuple[ApprovalTier, ...] = ()
    abc_thresholds: AbcThresholds = AbcThresholds()
    count_every_days: CountEveryDays = CountEveryDays()
    expiry_warning_days: WarningDays = 30
    """From so many days before its expiry on stock is warned of; a product may say otherwise."""
    lot_control: bool = True
    """Whether stock of products under lot control must name its lot. Off: it may, and need not."""
    audit_retention_days: RetentionDays = 3650
    job_retention_days: RetentionDays = 90
    """For how long ended jobs, the rows and files of imports and what webhooks could not deliver are kept."""
    default_time_zone: str = "UTC"
    """Where a location is whose time zone nobody names."""


class SettingsView(TenantSettings, frozen=True, kw_only=True, rename="camel"):
    """The settings in force, and the version to change them from."""

    version: int
    updated_at: datetime


DEFAULTS = TenantSettings()


def problems_of(settings: TenantSettings) -> Iterator[tuple[str, str]]:
    """What is wrong with settings, beyond what their types say, by path."""
    general = CountTolerance(
        units=settings.count_tolerance_units,
        percent=settings.count_tolerance_percent,
        value=settings.count_tolerance_value,
    )
    for name, message in _tolerance_problems(general):
        yield f"countTolerance{name.title()}", message
    by_class = settings.count_tolerance_by_class
    for letter, tolerance in (("A", by_class.a), ("B", by_class.b), ("C", by_class.c)):
        for name, message in _tolerance_problems(tolerance or CountTolerance()):
            yield f"countToleranceByClass.{letter}.{name}", message
    if settings.root_cause_threshold is not None and settings.root_cause_threshold < 0:
        yield "rootCauseThreshold", "must not be negative"
    yield from _tier_problems(settings.approval_tiers)
    shares = settings.abc_thresholds
    for letter, share in (("A", shares.a), ("B", shares.b)):
        if not 0 <= share <= PERCENT_MAX:
            yield f"abcThresholds.{letter}", f"must be between 0 and {PERCENT_MAX}"
    if shares.b < shares.a:
        yield "abcThresholds.B", "must not be less than that of A"


def _tolerance_problems(tolerance: CountTolerance) -> Iterator[tuple[str, str]]:
    for name in tolerance.__struct_fields__:
        number: Decimal | None = getattr(tolerance, name)
        if number is not None and number < 0:
            yield name, "must not be negative"
    if tolerance.percent is not None and tolerance.percent > PERCENT_MAX:
        yield "percent", f"must be at most {PERCENT_MAX}"


def _tier_problems(tiers: tuple[ApprovalTier, ...]) -> Iterator[tuple[str, str]]:
    if len(tiers) > TIERS_MAX:
        yield "approvalTiers", f"must be at most {TIERS_MAX}"
    for n, tier in enumerate(tiers):
        if tier.above < 0:
            yield f"approvalTiers[{n}].above", "must not be negative"
        if n and tier.above <= tiers[n - 1].above:
            yield f"approvalTiers[{n}].above", "must be more than that of the tier before"
        if n and tier.approvals < tiers[n - 1].approvals:
            yield f"approvalTiers[{n}].approvals", "must not be fewer than in the tier before"
