"""Looking lots over before they come in: `/api/inventory/lot-control/validate`."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64
from app.session_api.adjustments import ITEMS_MAX
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.expiry.control import Asked, ElementStrings, LookedOver, LotControl, look_over, requirements
from domain.expiry.model import Code, Finding
from domain.values import Quantity

type Barcode = Annotated[str, Meta(min_length=1, max_length=200)]


class LotRequirements(Answer, frozen=True, kw_only=True):
    """What a product demands of the lots that it comes in."""

    product_master_id: UUID
    global_sku: str
    lot_required: bool
    expiry_required: bool
    is_regulated: bool
    shelf_life_days: int | None
    min_remaining_shelf_life_days: int | None
    lot_pattern: str | None
    expiry_warning_days: int | None


class LotLineRequest(Body, frozen=True, kw_only=True):
    """A product with its lot, or the barcode that says both. Quantities are taken as they are."""

    product_master_id: UUID | None = None
    lot_number: Text64 | None = None
    expiry_date: date | None = None
    quantity: Quantity | None = None
    new_qty: Quantity | None = None
    barcode: Barcode | None = None


class ValidateRequest(Body, frozen=True, kw_only=True):
    """`lines`, or one `barcode`. Expiry is judged by today's date at `locationId` (none: in UTC).

    A barcode is a GS1 element string, as it is scanned (FNC1 as ASCII 29) or as it is printed with parentheses:
    (01) or (02) GTIN, (10) lot, (11) manufactured, (15) best before, (17) expiry, (21) serial, (30) or (37) count.
    """

    scanned: ClassVar[frozenset[str]] = frozenset({"barcode"})

    lines: Annotated[list[LotLineRequest], Meta(min_length=1, max_length=ITEMS_MAX)] | None = None
    barcode: Barcode | None = None
    location_id: UUID | None = None


class FindingAnswer(Answer, frozen=True, kw_only=True):
    field: str
    message: str
    code: Code


class LineFindings(Answer, frozen=True, kw_only=True):
    valid: bool
    errors: Sequence[FindingAnswer]
    warnings: Sequence[FindingAnswer]


class ScannedAnswer(Answer, frozen=True, kw_only=True):
    """What the barcode said."""

    gtin: str | None
    lot_number: str | None
    expiry_date: date | None
    best_before_date: date | None
    manufactured_date: date | None
    serial_number: str | None
    quantity: int | None


class LineResult(Answer, frozen=True, kw_only=True):
    index: int
    product_master_id: UUID | None
    result: LineFindings
    scanned: ScannedAnswer | None


class ValidationSummary(Answer, frozen=True, kw_only=True):
    lines: int
    valid_lines: int
    total_errors: int
    total_warnings: int


class ValidateAnswer(Answer, frozen=True, kw_only=True):
    """`valid` when no line has an error; warnings do not hinder."""

    valid: bool
    line_results: Sequence[LineResult]
    summary: ValidationSummary


class LotControlController(Controller):
    path = "/api/inventory/lot-control/validate"
    tags: Sequence[str] | None = ("Expiry and lot control",)

    @route(
        "GET",
        "/",
        operation="getLotControl",
        summary="Get lot control validation",
        permissions=Permission.INVENTORY_READ,
        errors=[Reason.NOT_FOUND],
        query={"productMasterId": "{lotProductId}"},
    )
    async def requirements(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        lot_control: NamedDependency[SkipValidation[LotControl]],
        product_master_id: FromQuery[Annotated[UUID, QueryParameter(name="productMasterId")]],
    ) -> Json[LotRequirements]:
        policy = await requirements(lot_control, act=act, product_id=product_master_id)
        is_demanded = policy.is_lot_controlled and policy.is_lot_demanded
        return Json(
            LotRequirements(
                product_master_id=policy.product_id,
                global_sku=policy.sku,
                lot_required=is_demanded,
                expiry_required=is_demanded and policy.is_expiry_required,
                is_regulated=policy.is_regulated,
                shelf_life_days=policy.shelf_life_days,
                min_remaining_shelf_life_days=policy.min_remaining_shelf_life_days,
                lot_pattern=policy.lot_pattern,
                expiry_warning_days=policy.expiry_warning_days,
            )
        )

    @route(
        "POST",
        "/",
        operation="validateLotControl",
        summary="Validate lot control",
        permissions=Permission.INVENTORY_READ,
        description="What receipts and counts would say of these lines. Nothing is changed, and the answer is 200 "
        "also when lines are not valid.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        example={
            "locationId": "{locationId}",
            "lines": [
                {"productMasterId": "{lotProductId}", "lotNumber": "{lotNumber}", "quantity": 4},
                {"barcode": "(01)09506000134352(17)311231(10)AB-123"},
            ],
        },
    )
    async def validate(
        self,
        *,
        data: JSONBody[ValidateRequest],
        act: NamedDependency[SkipValidation[Act]],
        lot_control: NamedDependency[SkipValidation[LotControl]],
        element_strings: NamedDependency[SkipValidation[ElementStrings]],
    ) -> Json[ValidateAnswer]:
        found = await look_over(
            lot_control, element_strings, act=act, lines=_asked(data), location_id=data.location_id
        )
        results = [_result(n, one) for n, one in enumerate(found)]
        errors = sum(len(one.result.errors) for one in results)
        return Json(
            ValidateAnswer(
                valid=not errors,
                line_results=results,
                summary=ValidationSummary(
                    lines=len(results),
                    valid_lines=sum(one.result.valid for one in results),
                    total_errors=errors,
                    total_warnings=sum(len(one.result.warnings) for one in results),
                ),
            )
        )


def _asked(data: ValidateRequest) -> list[Asked]:
    if (data.lines is None) == (data.barcode is None):
        raise FieldError(("lines", "send either lines or a barcode"))
    if data.lines is None:
        return [Asked(barcode=data.barcode)]
    problems = [
        (f"lines[{n}].{name}", "must not be negative")
        for n, line in enumerate(data.lines)
        for name, value in (("quantity", line.quantity), ("newQty", line.new_qty))
        if value is not None and value < 0
    ]
    if problems:
        raise FieldError(*problems)
    return [
        Asked(
            product_id=line.product_master_id,
            lot_number=line.lot_number,
            expires_on=line.expiry_date,
            barcode=line.barcode,
        )
        for line in data.lines
    ]


def _result(n: int, one: LookedOver) -> LineResult:
    scanned = one.scanned
    return LineResult(
        index=n,
        product_master_id=one.incoming.product_id if one.incoming else None,
        result=LineFindings(
            valid=not one.findings.errors,
            errors=[_finding(error) for error in one.findings.errors],
            warnings=[_finding(warning) for warning in one.findings.warnings],
        ),
        scanned=None
        if scanned is None
        else ScannedAnswer(
            gtin=scanned.gtin,
            lot_number=scanned.lot_number,
            expiry_date=scanned.expires_on,
            best_before_date=scanned.best_before,
            manufactured_date=scanned.manufactured_on,
            serial_number=scanned.serial,
            quantity=scanned.quantity,
        ),
    )


def _finding(finding: Finding) -> FindingAnswer:
    return FindingAnswer(field=finding.field, message=finding.message, code=finding.code)
