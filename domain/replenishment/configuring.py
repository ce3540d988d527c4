"""Configurations: what a planner decides of products at locations, checked field by field."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import StockLevels
from domain.catalog.rules import Problem, level_problems, path_of
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.replenishment.model import PERIOD_DAYS, ZERO, Config, ConfigView, Method, SafetyMethod, Source
from domain.replenishment.ports import ConfigWork, FactsWanted, Place
from domain.replenishment.suggesting import computed_safety
from domain.values import Quantity, new_id

CONFIGS_MAX = 500
LEAST_SERVICE, MOST_SERVICE = Decimal("0.5"), Decimal("0.9999")
REVIEW_MAX = 366

_COSTS = ("order_cost", "holding_cost")
_REQUIRED = {
    Method.MIN_MAX: ("min_qty", "max_qty"),
    Method.REORDER_POINT: ("reorder_qty",),
    Method.EOQ: _COSTS,
}
_LEVELS = ("min_qty", "reorder_qty", "max_qty", "safety_stock", "lead_time_days")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """New values for one product at one location; what is not among them stays as it is."""

    product_id: UUID
    location_id: UUID
    changes: Mapping[str, Any]
    expected_version: int | None = None


async def configure(work: ConfigWork, *, act: Act, wishes: Sequence[Wish], at: Sequence[str]) -> list[ConfigView]:
    """Set all of them or none; `at` is how the path of each begins.

    A safety stock that is to be computed is computed now, so that availability keeps it back from now on.

    Raises:
        DomainError: VALIDATION_ERROR, naming each field; NOT_FOUND, LOCATION_DENIED, STALE_VERSION.
    """
    for wish in wishes:
        act.caller.require_location(act.permission, wish.location_id)
    places = [(wish.product_id, wish.location_id) for wish in wishes]
    if len(set(places)) < len(places):
        twice = next(n for n, place in enumerate(places) if place in places[:n])
        raise FieldError((f"{at[twice]}productMasterId", "must not be there twice for one location"))
    stored = await work.lock_configs(places)
    configs: dict[Place, Config] = {}
    problems: list[Problem] = []
    for wish, place, path in zip(wishes, places, at, strict=True):
        version, before = stored[place]
        if wish.expected_version is not None and wish.expected_version != version:
            message = "The configuration has been changed since you read it"
            raise DomainError(
                Reason.STALE_VERSION,
                message,
                productMasterId=wish.product_id,
                locationId=wish.location_id,
                expected=wish.expected_version,
                actual=version,
            )
        config = msgspec.structs.replace(before, **wish.changes)
        if config.method is None and "method" not in wish.changes:
            problems.append((f"{path}method", "is needed for what is not replenished yet"))
        problems += [(f"{path}{name}", text) for name, text in config_problems(config, wish)]
        configs[place] = config
    if problems:
        raise FieldError(*problems)
    await work.store_configs(configs)
    await _compute_safety(work, act, configs)
    views = await work.config_views(places)
    batch = new_id()
    payload = {
        "batch": batch,
        "count": len(views),
        "configs": [
            {"productMasterId": one.product_id, "locationId": one.location_id, "version": one.version}
            for one in views
        ],
    }
    locations = sorted({location_id for _, location_id in places})
    await work.record("replenishment.config_set.v1", "replenishment_config", batch, payload, locations=locations)
    return views


def config_problems(config: Config, wish: Wish) -> Iterator[Problem]:
    """What is wrong with it, by the wire's names of the fields."""
    yield from level_problems(StockLevels(**{name: getattr(config, name) for name in _LEVELS}))
    for name in _REQUIRED.get(config.method or Method.DEMAND, ()):
        value = getattr(config, name)
        if value is None or (name in _COSTS and value == ZERO):
            least = " and must be greater than zero" if name in _COSTS else ""
            yield path_of(name), f"is needed by the method {config.method}{least}"
    yield from _number_problems(config)
    if config.safety_method is SafetyMethod.COMPUTED and "safety_stock" in wish.changes:
        yield "safetyStock", "is computed: leave it out, or set safetyStockMethod to GIVEN"
    if config.source is Source.LOCATION and config.supplier is not None:
        yield "supplier", "is not asked where the source is LOCATION"
    if config.source_location_id == wish.location_id:
        yield "sourceLocationId", "must be another location"


def _number_problems(config: Config) -> Iterator[Problem]:
    level = config.service_level
    if level is not None and not LEAST_SERVICE <= level <= MOST_SERVICE:
        yield "serviceLevel", f"must be between {LEAST_SERVICE} and {MOST_SERVICE}: 0.95 is 95 %"
    for name in ("lead_time_sd_days", "min_order_qty", *_COSTS):
        value = getattr(config, name)
        if value is not None and value < ZERO:
            yield path_of(name), "must not be negative"
    if config.lead_time_sd_days is not None and config.lead_time_sd_days > (config.lead_time_days or 0):
        yield "leadTimeSdDays", "must not be more than leadTimeDays"
    if config.review_days is not None and not 1 <= config.review_days <= REVIEW_MAX:
        yield "reviewDays", f"must be between 1 and {REVIEW_MAX} days"
    if config.order_multiple is not None and config.order_multiple <= ZERO:
        yield "orderMultiple", "must be greater than zero"


async def _compute_safety(work: ConfigWork, act: Act, configs: Mapping[Place, Config]) -> None:
    """Facts of each location with any to compute: mostly one."""
    computed: dict[UUID, list[UUID]] = {}
    for (product_id, location_id), config in configs.items():
        if config.safety_method is SafetyMethod.COMPUTED and config.method is not None:
            computed.setdefault(location_id, []).append(product_id)
    for location_id, products in sorted(computed.items()):
        wanted = FactsWanted(
            tenant_id=act.tenant_id,
            scope=None,
            location_id=location_id,
            days=PERIOD_DAYS,
            product_ids=products,
        )
        found = await work.facts(wanted)
        if found is None:
            raise not_found("location", field="locationId")
        await work.store_safety(
            {
                (row.product_id, location_id): Quantity.of(computed_safety(row, days=PERIOD_DAYS))
                for row in found.rows
            }
        )
