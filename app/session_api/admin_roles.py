"""Roles, and who holds which: `/api/admin/roles`, `/api/admin/users/{id}/roles`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Version
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from domain.access.model import Act, Permission
from domain.access.ports import Policy, Revocations
from domain.access.rights import GrantsView, HeldRole, RightsReads, RightsWork, RoleView
from domain.access.roles import change_role, create_role, delete_role, list_roles, replace_grants
from domain.catalog.views import Page
from domain.errors import Reason

LOCATIONS_MAX = 500

type Permissions = Annotated[list[Permission], Meta(min_length=1, max_length=len(Permission))]
type LocationIds = Annotated[list[UUID], Meta(min_length=1, max_length=LOCATIONS_MAX)]


class RightsUnit(RightsWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginRights = Begin[RightsUnit]


class CreateRole(Body, frozen=True, kw_only=True):
    """A role of the tenant's own. Its code is not one of a default role."""

    code: Text64
    name: Text200
    permissions: Permissions


class ChangeRole(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    name: Text200 | None = None
    permissions: Permissions | None = None
    expected_version: Version


class GivenRole(Body, frozen=True, kw_only=True):
    """`locationIds` null, or left out, is all locations."""

    role: Text64
    location_ids: LocationIds | None = None


class ReplaceGrants(Body, frozen=True, kw_only=True):
    """All that the member shall hold, at most 2000 roles at locations; `expectedVersion` is the membership's."""

    grants: Annotated[list[GivenRole], Meta(max_length=50)]
    expected_version: Version


class RoleList(Answer, frozen=True, kw_only=True):
    data: Sequence[RoleView]
    pagination: Pagination


class RoleData(Answer, frozen=True, kw_only=True):
    data: RoleView


class DeletedRole(Answer, frozen=True, kw_only=True):
    code: str
    deleted: bool = True


class DeletedRoleData(Answer, frozen=True, kw_only=True):
    data: DeletedRole


class GrantsData(Answer, frozen=True, kw_only=True):
    data: GrantsView


class AdminRoleController(Controller):
    path = "/api/admin"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/roles",
        operation="listRoles",
        summary="List roles",
        permissions=Permission.ADMIN_USERS,
        description="The default roles (`builtin`), which are the same in every tenant, and the tenant's own.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        rights: NamedDependency[SkipValidation[RightsReads]],
        policy: NamedDependency[SkipValidation[Policy]],
        sort: FromQuery[Literal["code", "-code"]] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[RoleList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        roles = list(await list_roles(rights, policy, tenant_id=act.tenant_id))
        if sort == "-code":
            roles.reverse()
        # There are so few that the whole list is at hand.
        codes, after = [role.code for role in roles], wanted.window.after
        start = (wanted.page - 1) * limit
        if after is not None:
            start = codes.index(str(after[0])) + 1 if after and after[0] in codes else len(codes)
        items = roles[start : start + limit]
        more = start + limit < len(roles)
        found = Page(items=items, total=len(roles), next_after=[items[-1].code] if more else None)
        return Json(listed(RoleList, wanted, found))

    @route(
        "POST",
        "/roles",
        operation="createRole",
        summary="Create a role",
        permissions=Permission.ADMIN_USERS,
        description="Of permissions that the caller holds themselves, at all locations.",
        errors=[Reason.DUPLICATE, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "picker", "name": "Picker", "permissions": ["inventory.read", "inventory.write"]},
    )
    async def create(
        self,
        data: JSONBody[CreateRole],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[RoleData]:
        async def do(work: RightsUnit) -> RoleData:
            view = await create_role(
                work, policy, act=act, code=data.code, name=data.name, permissions=data.permissions
            )
            return RoleData(data=view)

        return await once(begin_rights, act, do, status=HTTPStatus.CREATED)

    @route(
        "PATCH",
        "/roles/{role_code:str}",
        operation="changeRole",
        summary="Change a role of the tenant's own",
        permissions=Permission.ADMIN_USERS,
        description="What it permits counts at once for all who have it, in every process. What is added and what "
        "is taken away must be what the caller holds themselves, at all locations.",
        errors=[
            *(Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.INVALID_TRANSITION),
            *(Reason.LOCATION_DENIED, Reason.LAST_ADMIN),
        ],
        example={"permissions": ["inventory.read"], "expectedVersion": 1},
    )
    async def change(
        self,
        *,
        role_code: FromPath[str],
        data: JSONBody[ChangeRole],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[RoleData]:
        async def do(work: RightsUnit) -> RoleData:
            view = await change_role(
                work,
                policy,
                act=act,
                code=role_code,
                name=data.name,
                permissions=data.permissions,
                expected_version=data.expected_version,
            )
            return RoleData(data=view)

        answer = await once(begin_rights, act, do)
        await revocations.confirm()
        return answer

    @route(
        "DELETE",
        "/roles/{role_code:str}",
        operation="deleteRole",
        summary="Delete a role that nobody has",
        permissions=Permission.ADMIN_USERS,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.INVALID_TRANSITION, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        *,
        role_code: FromPath[str],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[DeletedRoleData]:
        async def do(work: RightsUnit) -> DeletedRoleData:
            await delete_role(work, policy, act=act, code=role_code)
            return DeletedRoleData(data=DeletedRole(code=role_code))

        return await once(begin_rights, act, do)

    @route(
        "PUT",
        "/users/{user_id:uuid}/roles",
        operation="replaceUserRoles",
        summary="Say which roles a user has, and where",
        permissions=Permission.ADMIN_USERS,
        description="In place of all that they had; it counts at once, in every process. The caller must hold "
        "themselves what is given and what is taken away, at its locations, and somebody must be left who may "
        "administer the tenant. What a user has only at locations that are not the caller's stays as it is.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED, Reason.LAST_ADMIN],
        example={
            "grants": [{"role": "viewer"}, {"role": "operator", "locationIds": ["{locationId}"]}],
            "expectedVersion": 1,
        },
    )
    async def replace(
        self,
        *,
        user_id: FromPath[UUID],
        data: JSONBody[ReplaceGrants],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[GrantsData]:
        wanted = [HeldRole(role=grant.role, location_ids=grant.location_ids) for grant in data.grants]

        async def do(work: RightsUnit) -> GrantsData:
            view = await replace_grants(
                work,
                policy,
                act=act,
                user_id=user_id,
                wanted=wanted,
                expected_version=data.expected_version,
            )
            return GrantsData(data=view)

        answer = await once(begin_rights, act, do)
        await revocations.confirm()
        return answer
