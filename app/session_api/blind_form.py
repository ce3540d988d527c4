"""The form to count on: `/api/inventory/cycle-count/blind-form`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation
from litestar.response import Response

from app.http.csv import csv_answer
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.blind_form_page import POLICY, page_of
from domain.access.model import Act, Permission
from domain.counting.form import FORM_MOST, Form, FormReads, FormWanted
from domain.errors import Reason, not_found

COLUMNS = (
    "number",
    "location",
    "sequence",
    "bin",
    "binName",
    "zone",
    "globalSku",
    "productName",
    "barcode",
    "lotNumber",
    "expiryDate",
    "uom",
    "lineId",
    "countedQty",
    "note",
)


class FormFormat(StrEnum):
    """How the form is wanted."""

    CSV = "csv"
    HTML = "html"
    JSON = "json"


class FormData(Answer, frozen=True, kw_only=True):
    """No quantity is anywhere in it."""

    data: Form


class BlindFormController(Controller):
    path = "/api/inventory/cycle-count/blind-form"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "GET",
        "/",
        operation="getBlindForm",
        summary="Get blind cycle count form",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="In walking order, without any quantity. `html` is a page for A4 paper, with barcodes of the "
        "batch and its bins (Code 128); `csv` has an empty column for the count. Of a batch in review: what is to "
        f"be counted again. At most {FORM_MOST:,} lines a page.",
        errors=[Reason.NOT_FOUND],
        query={"batchId": "{batchId}"},
        csv=True,
        heavy=True,
    )
    async def form(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        count_forms: NamedDependency[SkipValidation[FormReads]],
        batch_id: FromQuery[Annotated[UUID, QueryParameter(name="batchId")]],
        format_: FromQuery[Annotated[FormFormat, QueryParameter(name="format")]] = FormFormat.JSON,
        page: FromQuery[Annotated[int, QueryParameter(name="page", ge=1, le=1000)]] = 1,
    ) -> Json[FormData]:
        form = await count_forms.form(
            FormWanted(tenant_id=act.tenant_id, scope=act.scope, batch_id=batch_id, page=page)
        )
        if form is None:
            raise not_found("cycle count", field="batchId")
        told: Any = Json(FormData(data=form))
        if format_ is FormFormat.CSV:
            told = csv_answer(f"count-{form.number}", COLUMNS, _part(form))
        elif format_ is FormFormat.HTML:
            # Two thousand lines are a tenth of a second, which others need not wait for.
            text = await asyncio.to_thread(page_of, form)
            told = Response(text, media_type="text/html", headers={"Content-Security-Policy": POLICY})
        return told  # type: ignore[no-any-return] # one of three forms


async def _part(form: Form) -> AsyncGenerator[list[Sequence[object]]]:
    yield [
        (
            form.number,
            form.location_code,
            line.sequence,
            line.bin_code,
            line.bin_name,
            line.zone,
            line.global_sku,
            line.product_name,
            line.barcode,
            line.lot_number,
            line.expiry_date,
            line.uom,
            line.line_id,
            None,
            None,
        )
        for line in form.lines
    ]
