"""People to read: each call is one statement."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from asyncpg import Record
from msgspec import Meta

from domain.access.delegations import Delegation, InForce
from domain.access.model import Scope
from domain.access.people import (
    DelegationFilter,
    DelegationView,
    InvitationFilter,
    InvitationView,
    UserFilter,
    UserView,
)
from domain.access.ports import Policy
from domain.access.rules import known_permission, rights_of_grants
from domain.catalog.views import Page, Window
from domain.errors import FieldError, not_found
from infra.access.people import (
    DELEGATION,
    DELEGATION_STATE,
    DELEGATIONS,
    INVITATION,
    INVITATION_STATE,
    INVITATIONS,
    USER,
    USERS,
    delegation_of,
    grants_in,
    grants_within,
    invitation_of,
    user_of,
)
from infra.db.pool import Database

LIMITS = (51, 101, 201)
"""The limits that statements are made with, and one more row, to see whether there are others."""
SEARCHED = " AND strpos(lower({} || ' ' || {}), lower({}::text)) > 0"
# Of an invitation that is limited to locations all of them must be within the scope.
WITHIN = """ AND NOT EXISTS (
    SELECT FROM jsonb_array_elements(i.grants) g
    WHERE g ->> 'location_id' IS NULL OR (g ->> 'location_id')::uuid <> ALL ({}::uuid[]))"""
HAS_ANY = " AND EXISTS (SELECT FROM grants g WHERE g.tenant_id = m.tenant_id AND g.user_id = m.user_id{})"

IN_FORCE = """
    SELECT c.at, x.*, coalesce((
        SELECT jsonb_agg(jsonb_build_object('role', r.role, 'permission', r.permission))
        FROM role_permissions r WHERE r.tenant_id = $1
    ), '[]') AS own_rules
    FROM (SELECT coalesce($3::timestamptz, now()) AS at) c
    LEFT JOIN LATERAL (
        SELECT d.id, d.from_user_id, d.to_user_id, d.permissions, d.starts_at, d.ends_at, d.ended_at, coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', g.role, 'location_id', g.location_id))
            FROM grants g WHERE g.tenant_id = d.tenant_id AND g.user_id = d.from_user_id
        ), '[]') AS grants
        FROM delegations d
        JOIN memberships fm ON fm.tenant_id = d.tenant_id AND fm.user_id = d.from_user_id AND fm.is_active
        JOIN users fu ON fu.id = d.from_user_id AND fu.is_active
        JOIN memberships tm ON tm.tenant_id = d.tenant_id AND tm.user_id = d.to_user_id AND tm.is_active
        WHERE d.tenant_id = $1 AND d.to_user_id = $2 AND d.starts_at <= c.at AND c.at < d.ends_at
            AND (d.ended_at IS NULL OR c.at < d.ended_at)
        ORDER BY d.id
    ) x ON true
"""


class _Key(NamedTuple):
    """What a list is sorted by: an expression, the column that shows it, and its type in a cursor."""

    expression: str
    column: str
    type: Any


_TEXT = Annotated[str, Meta(max_length=1000)]
_SORTS: Mapping[str, Mapping[str, tuple[_Key, ...]]] = {
    "users": {
        "name": (_Key("coalesce(m.name, u.name)", "name", _TEXT), _Key("m.user_id", "id", UUID)),
        "email": (_Key("u.email", "email", _TEXT),),
        "createdAt": (_Key("m.created_at", "created_at", datetime), _Key("m.user_id", "id", UUID)),
    },
    # Ids are made in the order of time.
    "invitations": {"createdAt": (_Key("i.id", "id", UUID),)},
    "delegations": {
        "startsAt": (_Key("d.starts_at", "starts_at", datetime), _Key("d.id", "id", UUID)),
        "createdAt": (_Key("d.id", "id", UUID),),
    },
}


class _Rule(msgspec.Struct, frozen=True):
    role: str
    permission: str


_rules = msgspec.json.Decoder(tuple[_Rule, ...])


class SqlPeopleReads:
    """The `PeopleReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def users(self, tenant_id: UUID, wanted: UserFilter, window: Window, *, scope: Scope) -> Page[UserView]:
        arguments: list[Any] = [tenant_id]
        narrow = where = ""
        if scope is not None:
            arguments.append(list(scope))
            narrow = grants_within("$2")
            where = HAS_ANY.format(narrow)
        if wanted.search is not None:
            arguments.append(wanted.search)
            where += SEARCHED.format("coalesce(m.name, u.name)", "u.email", f"${len(arguments)}")
        if wanted.is_active is not None:
            where += f" AND {'' if wanted.is_active else 'NOT '}(m.is_active AND u.is_active)"
        return await self._page("users", (USER.format(narrow), f"{USERS}{where}"), arguments, window, user_of)

    async def user(self, tenant_id: UUID, user_id: UUID, *, scope: Scope) -> UserView:
        limits = [] if scope is None else [list(scope)]
        narrow = "" if scope is None else grants_within("$3")
        within = "" if scope is None else HAS_ANY.format(narrow)
        statement = f"{USER.format(narrow)} {USERS} AND m.user_id = $2{within}"
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(statement, tenant_id, user_id, *limits)
        if row is None:
            raise not_found("user")
        return user_of(row)

    async def invitations(
        self, tenant_id: UUID, wanted: InvitationFilter, window: Window, *, scope: Scope
    ) -> Page[InvitationView]:
        arguments: list[Any] = [tenant_id]
        where = ""
        if scope is not None:
            arguments.append(list(scope))
            where = WITHIN.format("$2")
        if wanted.search is not None:
            arguments.append(wanted.search)
            where += SEARCHED.format("i.name", "i.email", f"${len(arguments)}")
        if wanted.state is not None:
            arguments.append(str(wanted.state))
            where += f" AND {INVITATION_STATE} = ${len(arguments)}::text"
        return await self._page(
            "invitations", (INVITATION, f"{INVITATIONS}{where}"), arguments, window, invitation_of
        )

    async def delegations(self, tenant_id: UUID, wanted: DelegationFilter, window: Window) -> Page[DelegationView]:
        arguments: list[Any] = [tenant_id]
        where = ""
        if wanted.of_user is not None:
            arguments.append(wanted.of_user)
            where = " AND $2::uuid IN (d.from_user_id, d.to_user_id)"
        if wanted.state is not None:
            arguments.append(str(wanted.state))
            where += f" AND {DELEGATION_STATE} = ${len(arguments)}::text"
        return await self._page(
            "delegations", (DELEGATION, f"{DELEGATIONS}{where}"), arguments, window, delegation_of
        )

    async def _page[V](
        self,
        name: str,
        parts: tuple[str, str],
        arguments: list[Any],
        window: Window,
        view: Callable[[Record], V],
    ) -> Page[V]:
        keys = _SORTS[name][window.sort.removeprefix("-")]
        place = [(window.page - 1) * window.limit] if window.after is None else _place(keys, window.after)
        statement = _page_sql(
            *parts,
            keys,
            at=len(arguments) + 1,
            is_descending=window.sort.startswith("-"),
            is_after=window.after is not None,
            limit=next(size for size in LIMITS if size > window.limit),
        )
        async with self._database.bound(arguments[0]) as driver:
            rows = await driver.fetch(statement, *arguments, *place)
        shown = [row for row in rows if row["id"] is not None]
        more = len(shown) > window.limit
        return Page(
            items=[view(row) for row in shown[: window.limit]],
            total=rows[0]["total"] if window.after is None else None,
            next_after=_key(keys, shown[window.limit - 1]) if more else None,
        )


class SqlDelegations:
    """The `Delegations` port."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    async def active_for(self, tenant_id: UUID, user_id: UUID, at: datetime | None = None) -> InForce:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(IN_FORCE, tenant_id, user_id, at)
        given = [row for row in rows if row["id"] is not None]
        found: list[Delegation] = []
        if given:
            defaults = await self._policy.permissions(tenant_id=tenant_id, roles=frozenset(), version="")
            own: dict[str, frozenset[Any]] = {}
            for rule in _rules.decode(rows[0]["own_rules"]):
                permission = known_permission(rule.permission)
                own[rule.role] = own.get(rule.role, frozenset()) | ({permission} if permission else set())
            found = [_delegation(row, {**own, **defaults}) for row in given]
        return InForce(at=rows[0]["at"], delegations=tuple(found))


def _delegation(row: Record, roles: dict[str, frozenset[Any]]) -> Delegation:
    return Delegation(
        id=row["id"],
        from_user_id=row["from_user_id"],
        to_user_id=row["to_user_id"],
        permissions=frozenset(p for name in row["permissions"] if (p := known_permission(name)) is not None),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
        rights=rights_of_grants(grants_in(row["grants"]), roles),
    )


@lru_cache(maxsize=256)
def _page_sql(
    select: str, rows: str, keys: tuple[_Key, ...], *, at: int, is_descending: bool, is_after: bool, limit: int
) -> str:
    """A page by number with the total, or what comes after a place; parameter `at` is the offset or the place."""
    direction = "DESC" if is_descending else "ASC"
    order = "ORDER BY " + ", ".join(f"{key.expression} {direction}" for key in keys)
    if is_after:
        place = ", ".join(f"${at + n}" for n in range(len(keys)))
        row = ", ".join(key.expression for key in keys)
        return f"{select} {rows} AND ({row}) {'<' if is_descending else '>'} ({place}) {order} LIMIT {limit}"
    page = f"{select} {rows} {order} LIMIT {limit} OFFSET ${at}"
    shown = ", ".join(f"x.{key.column} {direction}" for key in keys)
    # One row at least, so that the total of a page beyond the end is known, too.
    return (
        f"SELECT t.total, x.* FROM (SELECT count(*) AS total {rows}) t "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL ({page}) x ON true ORDER BY {shown}"
    )


def _key(keys: Sequence[_Key], row: Record) -> Sequence[str | int]:
    values = (row[key.column] for key in keys)
    return [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]


def _place(keys: Sequence[_Key], after: Sequence[str | int]) -> list[Any]:
    """A place that a cursor named, as the database needs it.

    Raises:
        FieldError: the cursor is not one of this list.
    """
    try:
        return [msgspec.convert(value, key.type) for key, value in zip(keys, after, strict=True)]
    except (ValueError, msgspec.ValidationError):
        raise FieldError(("cursor", "is not a cursor of this list")) from None
