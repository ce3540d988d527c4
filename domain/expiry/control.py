"""Looking lots over before they come in, named by hand or by a barcode."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import FieldError, not_found
from domain.expiry.model import Code, Finding, Findings, Incoming, LotFacts, LotKey, LotPolicy
from domain.expiry.rules import PRODUCT, check_incoming

BARCODE = "barcode"


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """What a barcode says."""

    gtin: str | None = None
    """With 14 digits."""
    lot_number: str | None = None
    expires_on: date | None = None
    """The expiry date; where there is none, the best-before date."""
    best_before: date | None = None
    manufactured_on: date | None = None
    serial: str | None = None
    quantity: int | None = None


class ElementStrings(Protocol):
    """Reads GS1 element strings."""

    def read(self, text: str) -> Scanned:
        """What it says.

        Raises:
            ValueError: it is not made of element strings, or they contradict each other.
        """
        ...


class LotControl(Protocol):
    """What is known of products and lots. One statement each."""

    async def products(self, tenant_id: UUID, gtins: Collection[str]) -> Mapping[str, Sequence[UUID]]:
        """The products of each GTIN, however many digits it is kept with."""
        ...

    async def facts(
        self, tenant_id: UUID, wanted: Collection[LotKey], *, location_id: UUID | None = None
    ) -> LotFacts: ...


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A line to be looked over: a product, or a barcode that names it."""

    product_id: UUID | None = None
    lot_number: str | None = None
    expires_on: date | None = None
    barcode: str | None = None


class LookedOver(msgspec.Struct, frozen=True, kw_only=True):
    incoming: Incoming | None
    """None where no product is known."""
    scanned: Scanned | None
    findings: Findings


async def requirements(control: LotControl, *, act: Act, product_id: UUID) -> LotPolicy:
    """What a product demands of the lots that it comes in."""
    policy = (await control.facts(act.tenant_id, [(product_id, "")])).policies.get(product_id)
    if policy is None:
        raise not_found("product", field=PRODUCT)
    return policy


async def look_over(
    control: LotControl,
    strings: ElementStrings,
    *,
    act: Act,
    lines: Sequence[Asked],
    location_id: UUID | None = None,
) -> Sequence[LookedOver]:
    """What receipts and counts would say of these lines, by today's date at the location (none: in UTC)."""
    if location_id is not None:
        act.caller.require_location(act.permission, location_id)
    read = [_read(strings, line, n) for n, line in enumerate(lines)]
    gtins = {one.gtin for one in read if isinstance(one, Scanned) and one.gtin is not None}
    products = await control.products(act.tenant_id, gtins) if gtins else {}
    named = [_incoming(line, one, products) for line, one in zip(lines, read, strict=True)]
    incoming = [one for one in named if isinstance(one, Incoming)]
    facts = await control.facts(act.tenant_id, {one.key for one in incoming}, location_id=location_id)
    found = iter(check_incoming(incoming, facts))
    return [
        LookedOver(
            incoming=one if isinstance(one, Incoming) else None,
            scanned=scanned if isinstance(scanned, Scanned) else None,
            findings=next(found) if isinstance(one, Incoming) else Findings(errors=(one,)),
        )
        for one, scanned in zip(named, read, strict=True)
    ]


def _read(strings: ElementStrings, line: Asked, n: int) -> Scanned | Finding | None:
    """What the line's barcode says, or what is wrong with it; None where there is none.

    Raises:
        FieldError: the line says beside a barcode what that says itself, or it says nothing.
    """
    if line.barcode is None:
        if line.product_id is None:
            raise FieldError((f"lines[{n}].{PRODUCT}", "name the product, or send its barcode"))
        return None
    beside = {"lotNumber": line.lot_number, "expiryDate": line.expires_on}
    problems = [(f"lines[{n}].{name}", "is what the barcode says") for name, value in beside.items() if value]
    if problems:
        raise FieldError(*problems)
    try:
        return strings.read(line.barcode)
    except ValueError as problem:
        return _bad(str(problem))


def _incoming(
    line: Asked, scanned: Scanned | Finding | None, products: Mapping[str, Sequence[UUID]]
) -> Incoming | Finding:
    """The line as goods that come in, or why it is none."""
    if isinstance(scanned, Finding):
        return scanned
    if scanned is None:
        assert line.product_id is not None
        return Incoming(product_id=line.product_id, lot_number=line.lot_number, expires_on=line.expires_on)
    product_id = _product(line.product_id, scanned.gtin, products)
    if isinstance(product_id, Finding):
        return product_id
    return Incoming(product_id=product_id, lot_number=scanned.lot_number, expires_on=scanned.expires_on)


def _product(named: UUID | None, gtin: str | None, products: Mapping[str, Sequence[UUID]]) -> UUID | Finding:
    """The product that a barcode is of, or why that is not known."""
    if gtin is None:
        return named or _bad("does not say which product it is of: it has no GTIN (01)")
    found = products.get(gtin, ())
    if named is not None:
        return named if named in found else _bad(f"the GTIN {gtin} is not this product's")
    if len(found) == 1:
        return found[0]
    if not found:
        return _unknown(f"no product has the GTIN {gtin}")
    return _unknown(f"several products have the GTIN {gtin}: name the one that is meant")


def _bad(message: str) -> Finding:
    return Finding(field=BARCODE, message=message, code=Code.BARCODE_INVALID)


def _unknown(message: str) -> Finding:
    return Finding(field=PRODUCT, message=message, code=Code.PRODUCT_NOT_FOUND)
