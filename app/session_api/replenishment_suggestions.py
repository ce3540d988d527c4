"""What to bring to a location, and why: `/api/inventory/replenishment/suggestions`."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.headers import MinPosition, at_position
from app.http.paging import PageNumber, Pagination, pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.replenishment.asking import Asked, suggest
from domain.replenishment.model import PERIOD_DAYS
from domain.replenishment.ports import ReplenishmentFacts
from domain.replenishment.suggesting import Suggestion

DEFAULT_LIMIT, LIMIT_MAX = 50, 500
PRODUCTS_MAX = 1000


class AskSuggestions(Body, frozen=True, kw_only=True):
    """For a location: of all that is replenished there, of some products, or of a category and those below it.

    Demand is that of `periodDays` until `periodEnd` (today); `includeAll` shows also what is not due.
    """

    location_id: UUID
    product_master_ids: Annotated[list[UUID], Meta(min_length=1, max_length=PRODUCTS_MAX)] | None = None
    category_id: UUID | None = None
    period_days: Annotated[int, Meta(ge=1, le=730)] = PERIOD_DAYS
    period_end: date | None = None
    include_all: bool = False
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = DEFAULT_LIMIT
    page: PageNumber = 1


class SuggestedLocation(Answer, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str


class SuggestionList(Answer, frozen=True, kw_only=True):
    """`due` of the `replenished` products that were asked about; the most urgent first."""

    data: Sequence[Suggestion]
    location: SuggestedLocation
    period_from: date
    period_to: date
    replenished: int
    due: int
    pagination: Pagination


class SuggestionController(Controller):
    path = "/api/inventory/replenishment/suggestions"
    tags: Sequence[str] | None = ("Replenishment",)

    @route(
        "POST",
        "/",
        operation="suggestReplenishment",
        summary="Get replenishment suggestions",
        permissions=Permission.REPLENISHMENT_READ,
        description="Computed from the ledger; nothing is stored. `current` is available: on hand less what is "
        "reserved, held, expired or blocked; `inbound` is expected supply, transfers on their way among it; "
        "`planned` is in records and transfers that have not become supply yet. Demand per day is what issues and "
        "consumption took, less what was taken back, by days in the location's time; days without any count as "
        "zero. What other locations have above their own levels comes before the supplier.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        example={"locationId": "{locationId}", "periodDays": 60, "includeAll": True, "limit": 20},
    )
    async def suggest(
        self,
        data: JSONBody[AskSuggestions],
        act: NamedDependency[SkipValidation[Act]],
        replenishment_facts: NamedDependency[SkipValidation[ReplenishmentFacts]],
        min_position: MinPosition = None,
    ) -> Json[SuggestionList]:
        found = await suggest(
            replenishment_facts,
            act=act,
            asked=Asked(
                location_id=data.location_id,
                days=data.period_days,
                until=data.period_end,
                limit=data.limit,
                page=data.page,
                with_all=data.include_all,
                product_ids=data.product_master_ids,
                category_id=data.category_id,
            ),
        )
        answer = SuggestionList(
            data=found.items,
            location=SuggestedLocation(id=data.location_id, code=found.location_code, name=found.location_name),
            period_from=found.first_day,
            period_to=found.last_day,
            replenished=found.looked_at,
            due=found.due,
            pagination=pagination(page=data.page, limit=data.limit, total=found.total, next_cursor=None),
        )
        return at_position(answer, found.position, min_position)
