"""Layers as statements give them."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.imports.facts import Layer

_layers = msgspec.json.Decoder(list[tuple[date, Decimal, UUID | None]], float_hook=Decimal)


def read_layers(told: str | None) -> dict[date, Layer]:
    """From an array of day, quantity and import; None is no layer."""
    if told is None:
        return {}
    return {day: Layer(quantity=quantity, job_id=job_id) for day, quantity, job_id in _layers.decode(told)}
