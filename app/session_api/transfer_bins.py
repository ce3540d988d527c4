"""Which bins a transfer could take from or go to: `/api/inventory/transfers/bins`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation

from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from domain.access.model import Act, Permission
from domain.errors import Reason, not_found
from domain.transfers.bins import ITEMS_SHOWN, BinsWanted, TransferBin, TransferBins


class TransferBinList(Answer, frozen=True, kw_only=True):
    data: Sequence[TransferBin]
    pagination: Pagination


class TransferBinController(Controller):
    path = "/api/inventory/transfers/bins"
    tags: Sequence[str] | None = ("Transfers",)

    @route(
        "GET",
        "/",
        operation="listTransferBins",
        summary="Get transfer bins",
        permissions=Permission.TRANSFERS_READ,
        description="The bins of a location in walking order, with what they hold and may give; with "
        f"`productMasterId` only those that hold it. `items` are at most {ITEMS_SHOWN} of the `itemCount`.",
        errors=[Reason.NOT_FOUND],
        query={"locationId": "{locationId}", "productMasterId": "{productMasterId}", "limit": 20},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        transfer_bins: NamedDependency[SkipValidation[TransferBins]],
        location_id: FromQuery[Annotated[UUID, QueryParameter(name="locationId")]],
        product_master_id: FromQuery[Annotated[UUID | None, QueryParameter(name="productMasterId")]] = None,
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[TransferBinList]:
        wanted = asked(sort="walkOrder", page=page, limit=limit, cursor=cursor)
        bins = BinsWanted(location_id=location_id, product_id=product_master_id)
        found = await transfer_bins.page(act.tenant_id, bins, wanted.window, scope=act.scope)
        if found is None:
            raise not_found("location", field="locationId")
        return Json(listed(TransferBinList, wanted, found))
