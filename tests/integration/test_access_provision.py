"""Tenants, people, grants and keys made from the outside."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from domain.access.model import Permission
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.reasons import Pack, reasons_of
from domain.values import new_id
from infra.access.provision import create_api_key, create_tenant, create_user, find_tenant, grant
from tests.access_lab import a_process
from tests.lab import DatabaseUrls


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_tenant_begins_with_an_empty_ledger_and_the_reasons_of_its_trade(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    plain = await create_tenant(database_urls.admin_url, "plain", "Plain")
    clinic = await create_tenant(database_urls.admin_url, "clinic", " Clinic ", packs=[Pack.HEALTHCARE])
    found = {
        tenant: {
            row["code"] for row in await admin.fetch("SELECT code FROM reason_codes WHERE tenant_id = $1", tenant)
        }
        for tenant in (plain, clinic)
    }
    heads = await admin.fetch("SELECT tenant_id, position, event_position FROM ledger_heads")

    assert {tuple(head) for head in heads} == {(plain, 0, 0), (clinic, 0, 0)}
    assert found[plain] == {reason.code for _, reason in reasons_of(Pack.GENERAL)}
    assert "COLD_CHAIN_BREACH" in found[clinic] - found[plain]
    assert found[plain] < found[clinic]
    assert await find_tenant(database_urls.admin_url, "clinic") == clinic
    assert await find_tenant(database_urls.admin_url, "nowhere") is None


def test_no_two_packs_mean_different_things_by_one_code() -> None:
    codes = [reason.code for _, reason in reasons_of(*Pack)]

    assert len(codes) == len(set(codes))


async def test_what_is_there_already_is_refused(database_urls: DatabaseUrls) -> None:
    url = database_urls.admin_url
    await create_tenant(url, "twice", "Twice")
    await create_user(url, "twice@acme.example", "Twice", "x")

    for making in (create_tenant(url, "twice", "T"), create_user(url, " TWICE@acme.example", "T", "x")):
        with pytest.raises(DomainError) as refused:
            await making
        assert refused.value.reason is Reason.DUPLICATE


async def test_a_role_that_is_not_there_is_not_granted(database_urls: DatabaseUrls) -> None:
    url = database_urls.admin_url
    tenant, user = await create_tenant(url, "roles", "R"), await create_user(url, "r@acme.example", "R", "x")

    for role, location in (("ghost", None), ("", None), ("viewer", new_id())):
        with pytest.raises(DomainError) as refused:
            await grant(url, tenant, user, role, location)
        assert refused.value.reason is Reason.NOT_FOUND


async def test_an_address_that_is_none_is_refused(database_urls: DatabaseUrls) -> None:
    with pytest.raises(FieldError):
        await create_user(database_urls.admin_url, "nobody", "Nobody", "x")


async def test_an_unknown_scope_makes_no_key(database_urls: DatabaseUrls) -> None:
    with pytest.raises(ValueError, match=r"inventory\.everything"):
        await create_api_key(database_urls.admin_url, new_id(), "K", ["inventory.everything"])  # type: ignore[list-item]


async def test_an_owner_who_is_no_superuser_can_make_all_of_it(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    login, password = f"landlord_{database_urls.name}", "letmein"
    await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{password}' NOSUPERUSER")
    await admin.execute(f"GRANT storekeeper_owner TO {login}")
    address = urlsplit(database_urls.admin_url)
    url = f"postgresql://{login}:{password}@{address.hostname}:{address.port}{address.path}"
    try:
        tenant = await create_tenant(url, "let", "Let")
        user = await create_user(url, "let@acme.example", "Let", "x")
        await grant(url, tenant, user, "viewer")
        _, key = await create_api_key(url, tenant, "K", [Permission.INVENTORY_READ])

        assert await find_tenant(url, "let") == tenant
        async with a_process(database_urls, listens=False) as lab:
            assert (await lab.authenticator.by_key(key)).tenant_id == tenant
    finally:
        await admin.execute(f"REVOKE storekeeper_owner FROM {login}")
        await admin.execute(f"DROP ROLE {login}")
