"""Deciding in another's place: `/api/delegations`."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import act_of, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000
from app.session_api.admin_users import BeginPeopleUnit, PeopleUnit
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from domain.access.delegations import DELEGABLE, delegate, end_delegation
from domain.access.model import Caller, Permission
from domain.access.people import DelegationFilter, DelegationState, DelegationView, PeopleReads
from domain.access.ports import Policy
from domain.errors import Reason, not_found

type When = Annotated[datetime, Meta(tz=True)]
type DelegationSort = Literal["startsAt", "-startsAt", "createdAt", "-createdAt"]


class Delegate(Body, frozen=True, kw_only=True):
    """Who decides in the caller's place, upon what, and when: `endsAt` is the first moment after it."""

    to_user_id: UUID
    permissions: Annotated[list[Permission], Meta(min_length=1, max_length=len(DELEGABLE))]
    starts_at: When
    ends_at: When
    note: Text2000 | None = None


class DelegationList(Answer, frozen=True, kw_only=True):
    data: Sequence[DelegationView]
    pagination: Pagination


class DelegationData(Answer, frozen=True, kw_only=True):
    data: DelegationView


class DelegationController(Controller):
    path = "/api/delegations"
    tags: Sequence[str] | None = ("Access",)

    @route(
        "GET",
        "/",
        operation="listDelegations",
        summary="List delegations",
        permissions=(),
        description="Those that the caller has given and received; everybody's with `admin.users` everywhere.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        request: Request[Any, Any, Any],
        people: NamedDependency[SkipValidation[PeopleReads]],
        in_state: Annotated[DelegationState | None, QueryParameter(name="state")] = None,
        sort: FromQuery[DelegationSort] = "-startsAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[DelegationList]:
        caller: Caller = request.user
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        # A key is nobody's delegate: to it these are those of nobody.
        own = None if _sees_all(caller) else caller.principal_id
        found = await people.delegations(
            caller.tenant_id, DelegationFilter(of_user=own, state=in_state), wanted.window
        )
        return Json(listed(DelegationList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createDelegation",
        summary="Delegate approvals",
        permissions=(),
        description="For a dated period, of what the caller holds by their own roles: `stockrequests.approve`, "
        "`inventory.cyclecount.approve`. Several may overlap. The delegate decides where the caller may, as long "
        "as the caller may, and never upon what is the caller's or their own. Only people delegate, not API keys.",
        errors=[Reason.NOT_FOUND],
        status=HTTPStatus.CREATED,
        example={
            "toUserId": "{userId}",
            "permissions": ["stockrequests.approve"],
            "startsAt": "{tomorrow}",
            "endsAt": "{nextWeek}",
            "note": "On holiday",
        },
    )
    async def create(
        self,
        data: JSONBody[Delegate],
        request: Request[Any, Any, Any],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[DelegationData]:
        if request.user.user_id is None:
            raise not_found("approval to delegate: an API key has none of its own; log in")
        act = await act_of(request, data.permissions[0])

        async def do(work: PeopleUnit) -> DelegationData:
            view = await delegate(
                work,
                policy,
                act=act,
                to_user_id=data.to_user_id,
                permissions=data.permissions,
                starts_at=data.starts_at,
                ends_at=data.ends_at,
                note=data.note,
            )
            return DelegationData(data=view)

        return await once(begin_people, act, do, status=HTTPStatus.CREATED)

    @route(
        "POST",
        "/{delegation_id:uuid}/end",
        operation="endDelegation",
        summary="End a delegation",
        permissions=(),
        description="Before its time, by either side, or by who has `admin.users` at all locations.",
        errors=[Reason.NOT_FOUND, Reason.INVALID_TRANSITION],
    )
    async def end(
        self,
        delegation_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
    ) -> Json[DelegationData]:
        is_admin = _sees_all(request.user)
        act = await act_of(request, Permission.ADMIN_USERS)

        async def do(work: PeopleUnit) -> DelegationData:
            view = await end_delegation(work, act=act, delegation_id=delegation_id, is_admin=is_admin)
            return DelegationData(data=view)

        return await once(begin_people, act, do)


def _sees_all(caller: Caller) -> bool:
    return caller.allows(Permission.ADMIN_USERS) and caller.scope(Permission.ADMIN_USERS) is None
