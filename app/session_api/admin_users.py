"""Users and how they come in: `/api/admin/users`, `/api/admin/invitations`."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta, field

from app.http.acts import Begin, Work, once, told_once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Version
from app.session_api.admin_roles import GivenRole
from app.session_api.catalog import (
    DEFAULT_LIMIT,
    Active,
    Cursor,
    Limit,
    PageAt,
    Search,
    asked,
    listed,
    searched,
)
from domain.access.invitations import HOURS, HOURS_LONGEST, Told, invite, revoke_invitation
from domain.access.members import change_member
from domain.access.model import Act, Permission
from domain.access.people import (
    GRANTS_MAX,
    InvitationFilter,
    InvitationState,
    InvitationView,
    PeopleReads,
    PeopleWork,
    UserFilter,
    UserView,
)
from domain.access.ports import Policy, Revocations
from domain.access.rights import HeldRole
from domain.errors import FieldError, Reason

SHOWN_NOW = "This is the only time that the token is shown: hand it to whom you have invited now"
SHOWN_BEFORE = (
    "The token was shown once, with the first answer to this request; if that is lost, revoke and invite anew"
)
INVITING = (
    "Nobody invites with more than they hold themselves. The answer is the only one that shows the token; a "
    "repetition under the same Idempotency-Key has `token` null. Whether the address is known in other tenants is "
    "not told, and nothing of theirs is changed: who accepts has to know the password of an account that is there."
)

type UserSort = Literal["name", "-name", "email", "-email", "createdAt", "-createdAt"]
type Created = Literal["createdAt", "-createdAt"]
type Hours = Annotated[int, Meta(ge=1, le=HOURS_LONGEST)]


class PeopleUnit(PeopleWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginPeopleUnit = Begin[PeopleUnit]


class Invite(Body, frozen=True, kw_only=True):
    """`grants` are what they will hold; they can be changed later. The token is good for `expiresInHours`."""

    email: Annotated[str, Meta(min_length=3, max_length=320)]
    name: Text200
    grants: Annotated[list[GivenRole], Meta(max_length=50)] = field(default_factory=list)
    expires_in_hours: Hours = HOURS


class ChangeUser(Body, frozen=True, kw_only=True):
    """What is left out stays. The name is what they are called in this tenant."""

    name: Text200 | None = None
    is_active: bool | None = field(name="active", default=None)
    expected_version: Version


class UserList(Answer, frozen=True, kw_only=True):
    data: Sequence[UserView]
    pagination: Pagination


class UserData(Answer, frozen=True, kw_only=True):
    data: UserView


class InvitationList(Answer, frozen=True, kw_only=True):
    data: Sequence[InvitationView]
    pagination: Pagination


class InvitationData(Answer, frozen=True, kw_only=True):
    data: InvitationView


class NewInvitationData(Answer, frozen=True, kw_only=True):
    """`token` is null when the answer is a stored one: no token is kept, so it cannot be shown again."""

    data: InvitationView
    token: str | None
    notice: str


class AdminUserController(Controller):
    path = "/api/admin/users"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/",
        operation="listUsers",
        summary="List users",
        permissions=Permission.ADMIN_USERS,
        description="Members of the tenant. Who administers some locations sees those who hold something there, "
        "and what they hold there.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        people: NamedDependency[SkipValidation[PeopleReads]],
        search: Search = None,
        active: Active = None,
        sort: FromQuery[UserSort] = "name",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[UserList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = UserFilter(search=searched(search), is_active=active)
        found = await people.users(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(UserList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createUser",
        summary="Invite a user",
        permissions=Permission.ADMIN_USERS,
        description=f"A user is made by whoever accepts the invitation: no password passes through other hands. "
        f"The same as POST /api/admin/invitations. {INVITING}",
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"email": "new.clerk@{tenant}.example", "name": "New clerk"},
    )
    async def create(
        self,
        data: JSONBody[Invite],
        act: NamedDependency[SkipValidation[Act]],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[NewInvitationData]:
        return await _invited(data, act, begin_people, policy)

    @route(
        "GET",
        "/{user_id:uuid}",
        operation="getUser",
        summary="Get a user",
        permissions=Permission.ADMIN_USERS,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        user_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        people: NamedDependency[SkipValidation[PeopleReads]],
    ) -> Json[UserData]:
        return Json(UserData(data=await people.user(act.tenant_id, user_id, scope=act.scope)))

    @route(
        "PATCH",
        "/{user_id:uuid}",
        operation="changeUser",
        summary="Rename, disable or enable a user",
        permissions=Permission.ADMIN_USERS,
        description="In this tenant only. Disabling ends all of their sessions here, in every process, before it "
        "is answered, and needs all that they hold; the last admin stays (409 `LAST_ADMIN`).",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LAST_ADMIN, Reason.LOCATION_DENIED],
        example={"name": "Clerk of the night shift", "expectedVersion": 1},
    )
    async def change(
        self,
        *,
        user_id: FromPath[UUID],
        data: JSONBody[ChangeUser],
        act: NamedDependency[SkipValidation[Act]],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[UserData]:
        if data.name is None and data.is_active is None:
            raise FieldError(("", "names nothing to change; there are name, active"))

        async def do(work: PeopleUnit) -> UserData:
            view = await change_member(
                work,
                policy,
                act=act,
                user_id=user_id,
                name=data.name,
                is_active=data.is_active,
                expected_version=data.expected_version,
            )
            return UserData(data=view)

        answer = await once(begin_people, act, do)
        await revocations.confirm()
        return answer


class AdminInvitationController(Controller):
    path = "/api/admin/invitations"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/",
        operation="listInvitations",
        summary="List invitations",
        permissions=Permission.ADMIN_USERS,
        description="Without their tokens. Who administers some locations sees those that lead nowhere else.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        people: NamedDependency[SkipValidation[PeopleReads]],
        search: Search = None,
        in_state: Annotated[InvitationState | None, QueryParameter(name="state")] = None,
        sort: FromQuery[Created] = "-createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[InvitationList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = InvitationFilter(search=searched(search), state=in_state)
        found = await people.invitations(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(InvitationList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createInvitation",
        summary="Invite somebody",
        permissions=Permission.ADMIN_USERS,
        description=INVITING,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"email": "new.picker@{tenant}.example", "name": "New picker", "grants": [], "expiresInHours": 72},
    )
    async def create(
        self,
        data: JSONBody[Invite],
        act: NamedDependency[SkipValidation[Act]],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[NewInvitationData]:
        return await _invited(data, act, begin_people, policy)

    @route(
        "POST",
        "/{invitation_id:uuid}/revoke",
        operation="revokeInvitation",
        summary="Revoke an invitation",
        permissions=Permission.ADMIN_USERS,
        description="While it is open: its token is worth nothing from then on.",
        errors=[Reason.NOT_FOUND, Reason.INVALID_TRANSITION, Reason.LOCATION_DENIED],
    )
    async def revoke(
        self,
        invitation_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[InvitationData]:
        async def do(work: PeopleUnit) -> InvitationData:
            return InvitationData(data=await revoke_invitation(work, policy, act=act, invitation_id=invitation_id))

        return await once(begin_people, act, do)


async def _invited(data: Invite, act: Act, begin: BeginPeopleUnit, policy: Policy) -> Json[NewInvitationData]:
    grants = [HeldRole(role=given.role, location_ids=given.location_ids) for given in data.grants]
    if sum(len(held.location_ids or ()) or 1 for held in grants) > GRANTS_MAX:
        raise FieldError(("grants", f"must be at most {GRANTS_MAX} roles at locations"))

    async def made(work: PeopleUnit) -> Told:
        return await invite(
            work,
            policy,
            act=act,
            email=data.email,
            name=data.name,
            grants=grants,
            lifetime=timedelta(hours=data.expires_in_hours),
        )

    return await told_once(begin, act, made, shown=_shown, kept=_kept)


def _shown(new: Told) -> NewInvitationData:
    return NewInvitationData(data=new.view, token=new.token, notice=SHOWN_NOW)


def _kept(new: Told) -> NewInvitationData:
    return NewInvitationData(data=new.view, token=None, notice=SHOWN_BEFORE)
