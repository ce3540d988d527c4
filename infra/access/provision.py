"""Tenants, people, grants and keys, made from the outside: for the command line, the demonstration and tests.

On a connection of the database's owner or superuser, one transaction a call, bound to the tenant all the same.
Where access changes the database announces it, so a running application knows soon.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from domain.access.credentials import hash_of, last4_of, new_api_key, prefix_of
from domain.access.model import Permission
from domain.access.rules import email_of
from domain.errors import FieldError, not_found
from domain.ledger.reasons import Pack, reasons_of
from domain.values import clean_text, new_id
from infra.access.administering import administering
from infra.access.passwords import hash_password
from infra.authz.reviewed import reviewed


async def create_tenant(admin_url: str, slug: str, name: str, *, packs: Sequence[Pack] = (Pack.GENERAL,)) -> UUID:
    """A tenant with an empty ledger and the reason codes of its lines of business."""
    tenant_id = new_id()
    async with administering(admin_url, tenant_id) as connection:
        await connection.execute(
            "INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $3)",
            tenant_id,
            clean_text(slug, longest=63),
            clean_text(name, longest=200),
        )
        await connection.execute("INSERT INTO ledger_heads (tenant_id) VALUES ($1)", tenant_id)
        await connection.executemany(
            """
            INSERT INTO reason_codes (
                tenant_id, id, code, name, direction, requires_comment, requires_root_cause, pack
            ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                (
                    tenant_id,
                    new_id(),
                    reason.code,
                    reason.name,
                    reason.direction,
                    reason.requires_comment,
                    reason.requires_root_cause,
                    pack,
                )
                for pack, reason in reasons_of(*packs)
            ],
        )
    return tenant_id


async def find_tenant(admin_url: str, slug: str) -> UUID | None:
    """The tenant of this slug, if there is one."""
    async with administering(admin_url) as connection:
        found: UUID | None = await connection.fetchval("SELECT id FROM tenants WHERE slug = $1", slug)
        return found


async def create_user(admin_url: str, email: str, name: str, password: str) -> UUID:
    """A person who may enter no tenant yet. The password counts exactly as it is given."""
    address = email_of(email)
    if address is None:
        raise FieldError(("email", "is not an e-mail address"))
    user_id = new_id()
    async with administering(admin_url) as connection:
        await connection.execute(
            "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, $4)",
            user_id,
            address,
            clean_text(name, longest=200),
            hash_password(password),
        )
    return user_id


async def grant(
    admin_url: str, tenant_id: UUID, user_id: UUID, role: str, location_id: UUID | None = None
) -> None:
    """Give a person a role in a tenant, at one location or at all; what they have already stays as it is."""
    async with administering(admin_url, tenant_id) as connection:
        own = await connection.fetchval(
            "SELECT true FROM roles WHERE tenant_id = $1 AND code = $2", tenant_id, role
        )
        if not own and role not in reviewed().roles:
            raise not_found("role", role=role)
        await connection.execute(
            "INSERT INTO memberships (tenant_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            tenant_id,
            user_id,
        )
        await connection.execute(
            """
            INSERT INTO grants (tenant_id, id, user_id, role, location_id) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
            """,
            tenant_id,
            new_id(),
            user_id,
            role,
            location_id,
        )


async def create_api_key(
    admin_url: str,
    tenant_id: UUID,
    name: str,
    scopes: Iterable[Permission],
    *,
    location_ids: Iterable[UUID] | None = None,
    expires_at: datetime | None = None,
) -> tuple[UUID, str]:
    """A key with these scopes, and its text, which is told here once."""
    key_id, key = new_id(), new_api_key()
    async with administering(admin_url, tenant_id) as connection:
        await connection.execute(
            """
            INSERT INTO api_keys (
                tenant_id, id, name, key_hash, prefix, last4, scopes, location_ids, expires_at
            ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            tenant_id,
            key_id,
            clean_text(name, longest=200),
            hash_of(key),
            prefix_of(key),
            last4_of(key),
            sorted({Permission(scope) for scope in scopes}),
            None if location_ids is None else list(location_ids),
            expires_at,
        )
    return key_id, key


async def revoke_api_key(admin_url: str, tenant_id: UUID, key_id: UUID) -> None:
    """End a key for good."""
    async with administering(admin_url, tenant_id) as connection:
        await connection.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
            tenant_id,
            key_id,
        )
