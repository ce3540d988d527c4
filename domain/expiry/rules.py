"""Whether a lot may come in: pure functions, the same for receipts, recorded stock and imports.

Expiry is judged by the date at the location, and stock is usable through its expiry day.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from domain.errors import FieldError
from domain.expiry.model import (
    Code,
    Finding,
    Findings,
    Incoming,
    KnownLot,
    LotFacts,
    LotKey,
    LotPolicy,
    LotStatus,
)
from domain.expiry.pattern import lot_pattern
from domain.values import clean_line

LOT_NUMBER_LENGTH = 64

LOT, EXPIRY, PRODUCT = "lotNumber", "expiryDate", "productMasterId"


def validate_incoming(
    product: LotPolicy,
    *,
    lot_number: str | None,
    expires_on: date | None,
    existing: KnownLot | None,
    today: date,
) -> Findings:
    """What speaks against stock of a product coming in in this lot, and what is worth a warning.

    `existing` is the lot of that number if it is known already: its expiry holds, and a given one must agree.
    """
    if not product.is_lot_controlled:
        return Findings(errors=tuple(_without_lot_control(product, lot_number, expires_on)))
    if not lot_number:
        if not product.is_lot_demanded:
            return Findings(errors=tuple(_without_number(expires_on)))
        message = f"{product.sku} is under lot control: name the lot"
        return Findings(errors=(Finding(field=LOT, message=message, code=Code.LOT_REQUIRED),))
    errors = _number(product, lot_number, existing)
    warnings: list[Finding] = []
    if existing is not None:
        refused, doubtful = _status(existing)
        errors += refused
        warnings += doubtful
        errors += _mismatch(lot_number, expires_on, existing.expires_on)
    effective = existing.expires_on if existing is not None else expires_on
    if effective is None:
        # Where the dates disagree, that is the one thing to say about them.
        if product.is_expiry_required and product.is_lot_demanded and expires_on is None:
            message = f"{product.sku} needs an expiry date"
            errors.append(Finding(field=EXPIRY, message=message, code=Code.EXPIRY_REQUIRED))
    else:
        errors += _life(product, effective, today)
        warnings += _doubts(product, effective, today)
    return Findings(errors=tuple(errors), warnings=tuple(warnings))


def _without_lot_control(product: LotPolicy, lot_number: str | None, expires_on: date | None) -> list[Finding]:
    """Its stock is kept in one default lot, which has no number and no expiry: neither could be kept."""
    found = []
    if lot_number:
        message = f"{product.sku} is not under lot control: leave the lot out"
        found.append(Finding(field=LOT, message=message, code=Code.LOT_FORMAT))
    if expires_on is not None:
        message = f"{product.sku} is not under lot control and its stock has no expiry date"
        found.append(Finding(field=EXPIRY, message=message, code=Code.EXPIRY_MISMATCH))
    return found


def _without_number(expires_on: date | None) -> list[Finding]:
    if expires_on is None:
        return []
    message = "an expiry date belongs to a lot: name the lot"
    return [Finding(field=EXPIRY, message=message, code=Code.EXPIRY_MISMATCH)]


def _number(product: LotPolicy, lot_number: str, existing: KnownLot | None) -> list[Finding]:
    if existing is not None:
        return []  # it was accepted once; a pattern that came later does not lock its stock out
    try:
        if clean_line(lot_number, longest=LOT_NUMBER_LENGTH) != lot_number:
            message = "must not begin or end with spaces, and be in Unicode's normal form C"
            return [Finding(field=LOT, message=message, code=Code.LOT_FORMAT)]
    except ValueError as problem:
        return [Finding(field=LOT, message=str(problem), code=Code.LOT_FORMAT)]
    if product.lot_pattern is not None and not lot_pattern(product.lot_pattern).fits(lot_number):
        message = f"{lot_number} does not fit the pattern {product.lot_pattern} of {product.sku}"
        return [Finding(field=LOT, message=message, code=Code.LOT_FORMAT)]
    return []


def _mismatch(lot_number: str, given: date | None, known: date | None) -> list[Finding]:
    if given is None or given == known:
        return []
    message = f"the lot {lot_number} has {f'the expiry {known}' if known else 'no expiry date'}"
    return [Finding(field=EXPIRY, message=message, code=Code.EXPIRY_MISMATCH)]


def _status(existing: KnownLot) -> tuple[list[Finding], list[Finding]]:
    """What the lot's own status refuses, and what it warns of."""
    match existing.status:
        case LotStatus.ACTIVE if existing.is_held:
            # As with a recall below.
            message = "a hold lies on the lot: what comes in will not be available"
            return [], [Finding(field=LOT, message=message, code=Code.LOT_ON_HOLD)]
        case LotStatus.ACTIVE:
            return [], []
        case LotStatus.INACTIVE:
            message = "the lot is no longer in use"
            return [Finding(field=LOT, message=message, code=Code.LOT_ON_HOLD)], []
        case LotStatus.EXPIRED:
            message = "the lot has been marked as expired"
            return [Finding(field=LOT, message=message, code=Code.EXPIRED_NOT_ALLOWED)], []
        case LotStatus.RECALLED:
            # It may come in, since it is there; the recall covers what arrives later.
            message = "the lot is recalled: what comes in will not be available"
            return [], [Finding(field=LOT, message=message, code=Code.LOT_ON_HOLD)]


def _life(product: LotPolicy, expires_on: date, today: date) -> list[Finding]:
    remaining = (expires_on - today).days
    if remaining < 0:
        message = f"expired on {expires_on}"
        return [Finding(field=EXPIRY, message=message, code=Code.EXPIRED_NOT_ALLOWED)]
    least = product.min_remaining_shelf_life_days
    if least is not None and remaining < least:
        message = f"has {remaining} days left, {product.sku} must come in with at least {least}"
        return [Finding(field=EXPIRY, message=message, code=Code.SHELF_LIFE_TOO_SHORT)]
    return []


def _doubts(product: LotPolicy, expires_on: date, today: date) -> list[Finding]:
    remaining = (expires_on - today).days
    if product.expiry_warning_days is not None and 0 <= remaining <= product.expiry_warning_days:
        message = f"expires in {remaining} days"
        return [Finding(field=EXPIRY, message=message, code=Code.EXPIRING_SOON)]
    if product.shelf_life_days is not None and remaining > product.shelf_life_days:
        message = f"lies beyond the shelf life of {product.shelf_life_days} days: is the year right?"
        return [Finding(field=EXPIRY, message=message, code=Code.EXPIRY_IMPLAUSIBLE)]
    return []


def check_incoming(lines: Sequence[Incoming], facts: LotFacts) -> Sequence[Findings]:
    """The findings for each line. Lines that bring in the same new lot speak of one expiry date."""
    expiries = new_expiries(lines)
    found: list[Findings] = []
    for line in lines:
        policy = facts.policies.get(line.product_id)
        if policy is None:
            error = Finding(field=PRODUCT, message="no such product", code=Code.PRODUCT_NOT_FOUND)
            found.append(Findings(errors=(error,)))
            continue
        existing = facts.lots.get(line.key)
        expires_on = line.expires_on if existing is not None else expiries.get(line.key)
        one = validate_incoming(
            policy,
            lot_number=line.lot_number,
            expires_on=expires_on,
            existing=existing,
            today=facts.today,
        )
        if existing is None and line.lot_number and policy.is_lot_controlled:
            disagreeing = _mismatch(line.lot_number, line.expires_on, expires_on)
            one = Findings(errors=(*one.errors, *disagreeing), warnings=one.warnings)
        found.append(one)
    return found


def new_expiries(lines: Sequence[Incoming]) -> Mapping[LotKey, date]:
    """The expiry that lines give a lot, by its key: the first one named."""
    expiries: dict[LotKey, date] = {}
    for line in lines:
        if line.expires_on is not None:
            expiries.setdefault(line.key, line.expires_on)
    return expiries


def refuse(found: Sequence[Findings], *, at: str = "lines") -> None:
    """Refuse a document with all that speaks against its lines, each error at its path.

    Raises:
        FieldError: there is an error; `at[n]` leads its path.
    """
    problems = [
        (f"{at}[{n}].{error.field}", f"{error.message} ({error.code})")
        for n, findings in enumerate(found)
        for error in findings.errors
    ]
    if problems:
        raise FieldError(*problems)
