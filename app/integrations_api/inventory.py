"""Quantities by location and product: `/api/integrations/v1/inventory/`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Protocol

from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.headers import position_header
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json, SnakeAnswer, SnakeBody, Unread, converted
from app.integrations_api.bodies import names_of, told_in
from app.integrations_api.shapes import (
    BASE,
    BODY_MAX,
    Cursor,
    Limit,
    Pagination,
    code_in,
    next_part,
)
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.integrations.mapping import ROWS, Names
from domain.integrations.model import (
    CODE_LONGEST,
    QUANTITY_MAX,
    ROWS_MAX,
    SKU_LONGEST,
    BadRow,
    BulkResult,
    BulkSet,
    SetSource,
)
from domain.integrations.ports import IntegrationReads, Mappings, SettingWork
from domain.integrations.rows import read_rows
from domain.integrations.setting import set_quantities
from domain.integrations.views import Record
from domain.ledger.ports import Reference

# Free, so that nothing to say may be sent as it is.
type Notes = Annotated[str, Meta(max_length=2_000)]

PATH = f"{BASE}/inventory"
LISTED = "inventory"


class SetRow(SnakeBody, frozen=True, kw_only=True):
    """`location_code` names a bin or a location (then its default bin); `quantity` is what shall be on hand."""

    location_code: Annotated[str, Meta(min_length=1, max_length=CODE_LONGEST)]
    sku_code: Annotated[str, Meta(min_length=1, max_length=SKU_LONGEST)]
    quantity: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]


class SetInventory(SnakeBody, frozen=True, kw_only=True):
    """Rows are judged one by one: what is wrong with one is told in the answer, and the others stand."""

    inventory: Annotated[list[SetRow], Meta(min_length=1, max_length=ROWS_MAX)]
    source: SetSource = SetSource.BULK_IMPORT
    notes: Notes | None = None


class _Request(SnakeBody, frozen=True, kw_only=True):
    """The request without its rows."""

    source: SetSource = SetSource.BULK_IMPORT
    notes: Notes | None = None


class InventoryBody(Unread, frozen=True):
    shape: ClassVar[Any] = SetInventory


class SetResult(SnakeAnswer, frozen=True, kw_only=True):
    """An error has the row's number from 0, the codes as they were sent, and what is wrong by field."""

    total: int
    created: int
    updated: int
    failed: int
    errors: Sequence[Mapping[str, Any]]


class SetAnswer(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: SetResult


class RecordList(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: Sequence[Record]
    pagination: Pagination


class RecordsFound(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: Sequence[Record]


class SettingUnit(SettingWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class IntegrationInventoryController(Controller):
    path = PATH
    tags: Sequence[str] | None = ("Integrations",)

    @route(
        "POST",
        "/",
        operation="integrationsSetInventory",
        summary="Bulk set inventory",
        permissions=Permission.INTEGRATIONS_INVENTORY_WRITE,
        surface=Surface.INTEGRATIONS,
        description="Sets quantities on hand, absolute, as one group in the ledger. Rows are judged one by one; a "
        "repeated pair is applied in order. Less than what is reserved or held is accepted and told as "
        f"`inventory.shortage.v1`. At most 10 MB and {ROWS_MAX} rows.",
        errors=[Reason.MAPPING_ERROR],
        example={
            "inventory": [
                {"location_code": "{locationCode}", "sku_code": "{sku}", "quantity": 150},
                {"location_code": "INVALID-LOC", "sku_code": "{sku}", "quantity": 1},
            ],
            "source": "erp_sync",
            "notes": "Nightly sync",
        },
        request_max_body_size=BODY_MAX,
    )
    async def set_inventory(
        self,
        *,
        data: JSONBody[InventoryBody],
        act: NamedDependency[SkipValidation[Act]],
        begin_setting: NamedDependency[SkipValidation[Begin[SettingUnit]]],
        mappings: NamedDependency[SkipValidation[Mappings]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[SetAnswer]:
        names = await names_of(mappings, act, "inventory")
        wanted = _wanted(data.raw, names)
        lot_control = (await reference.settings(act.tenant_id)).lot_control

        async def do(work: SettingUnit) -> SetAnswer:
            result = await set_quantities(work, act=act, wanted=wanted, lot_control=lot_control)
            return SetAnswer(data=_told(result, names))

        return await once(begin_setting, act, do)

    @route(
        "GET",
        "/",
        operation="integrationsListInventory",
        summary="List inventory",
        permissions=Permission.INTEGRATIONS_INVENTORY_READ,
        surface=Surface.INTEGRATIONS,
        description="Every record once, newest first; one that is added meanwhile shows with the next listing.",
        query={"limit": "5"},
    )
    async def browse(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Json[RecordList]:
        read = partial(integration_reads.records, act.tenant_id, act.scope)
        part, page = await next_part(request, LISTED, limit, cursor, read)
        return Json(RecordList(data=part.items, pagination=page), headers=position_header(part.position))

    @route(
        "GET",
        "/{identifier:path}",
        operation="integrationsFindInventory",
        summary="Get inventory by location or SKU",
        permissions=Permission.INTEGRATIONS_INVENTORY_READ,
        surface=Surface.INTEGRATIONS,
        description="`by=location` (usual): every SKU at the place with this code; `by=sku`: every place that "
        "holds it. Nothing found is an empty list. Percent-encode the identifier: `WH%2FSHELF-01`.",
        query={"by": "sku"},
    )
    async def find(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
        by: FromQuery[Literal["location", "sku"]] = "location",
    ) -> Json[RecordsFound]:
        code = code_in(request, PATH)
        find = integration_reads.of_product if by == "sku" else integration_reads.at_place
        position, found = await find(act.tenant_id, act.scope, code or "")
        return Json(RecordsFound(data=found), headers=position_header(position))


def _wanted(raw: Any, names: Names) -> BulkSet:
    """What is asked for.

    Raises:
        FieldError: the request as a whole cannot be meant.
        DomainError: MAPPING_ERROR.
    """
    ours = names.ours(raw)
    if not isinstance(ours, dict):
        raise FieldError(("", "the body must be an object"))
    at = names.name(ROWS) or ROWS
    rows = ours.get(ROWS)
    if not isinstance(rows, list) or not rows:
        raise FieldError((at, "must be a list of at least one row"))
    if len(rows) > ROWS_MAX:
        raise FieldError((at, f"must have at most {ROWS_MAX} rows; send the others in another request"))
    rest = {name: value for name, value in ours.items() if name != ROWS}
    request = told_in(names, lambda: converted(rest, _Request))
    return BulkSet(rows=read_rows(rows), source=request.source, notes=request.notes or None)


def _told(result: BulkResult, names: Names) -> SetResult:
    return SetResult(
        total=result.total,
        created=result.created,
        updated=result.updated,
        failed=len(result.failed),
        errors=[_error(bad, names) for bad in result.failed],
    )


def _error(bad: BadRow, names: Names) -> dict[str, Any]:
    """A row that was refused: under the published names, or under the partner's own."""
    spelt = {
        ours: names.name(f"{ROWS}.{ours}") or published
        for ours, published in (("location_code", "location_id"), ("sku_code", "product_id"))
    }
    return {
        "row": bad.row,
        spelt["location_code"]: bad.location_code,
        spelt["sku_code"]: bad.sku_code,
        "errors": {
            spelt.get(field) or names.name(f"{ROWS}.{field}") or field: messages
            for field, messages in bad.errors.items()
        },
    }
