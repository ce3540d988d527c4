"""Who is admitted, and how refusals are told, in the dialect of this surface."""

import datetime as dt
from collections.abc import Mapping

import httpx
import pytest

from domain.access.credentials import new_api_key
from infra.access.provision import create_api_key, revoke_api_key
from tests.e2e.integrations.partner import BASE, INVENTORY, LOCATIONS, PRODUCTS, Partner, row
from tests.lab import DatabaseUrls

NO_KEY = {"detail": "Authentication credentials were not provided."}
UNKNOWN = {"detail": "Invalid API key"}
EXPIRED = {"detail": "API key has expired"}
LACKING = {"detail": "You do not have permission to perform this action."}


def body_of(answer: httpx.Response) -> object:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    return answer.json()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_is_not_admitted_is_told_so_as_published(
    partner: Partner, urls: DatabaseUrls, method: str
) -> None:
    tenant, scope = partner.tenant_id, ["integrations.inventory.read"]
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)  # noqa: TID251 - a client's clock
    _, expired = await create_api_key(urls.admin_url, tenant, "Old", scope, expires_at=yesterday)  # type: ignore[arg-type]
    revoked_id, revoked = await create_api_key(urls.admin_url, tenant, "Gone", scope)  # type: ignore[arg-type]
    await revoke_api_key(urls.admin_url, tenant, revoked_id)
    _, other = await partner.a_key("integrations.products.*", "inventory.read")

    async def ask(headers: Mapping[str, str]) -> tuple[int, object]:
        json = {"inventory": [row("A-101", "LAMP", 1)]} if method == "POST" else None
        answer = await partner.http.request(method, INVENTORY, json=json, headers=dict(headers))
        return answer.status_code, body_of(answer)

    assert await ask({}) == (403, NO_KEY)
    assert await ask({"X-API-Key": ""}) == (403, NO_KEY)
    assert await ask(partner.owner) == (403, NO_KEY)  # a bearer is another surface's
    assert await ask({"X-API-Key": "sk_live_nonsense"}) == (401, UNKNOWN)
    assert await ask({"X-API-Key": new_api_key()}) == (401, UNKNOWN)
    assert await ask({"X-API-Key": revoked}) == (401, UNKNOWN)
    assert await ask({"X-API-Key": expired}) == (401, EXPIRED)
    assert await ask(other) == (403, LACKING)


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        (["integrations.inventory.read"], 200, 403),
        (["integrations.inventory.write"], 403, 200),
        (["integrations.inventory.*"], 200, 200),
        (["integrations.*"], 200, 200),
        (["integrations.products.*", "integrations.locations.*"], 403, 403),
    ],
)
async def test_scopes_and_wildcards(partner: Partner, scopes: list[str], reads: int, writes: int) -> None:
    _, key = await partner.a_key(*scopes)
    read = await partner.http.get(INVENTORY, headers=key)
    written = await partner.http.post(INVENTORY, json={"inventory": [row("A-101", "LAMP", 1)]}, headers=key)

    assert (read.status_code, written.status_code) == (reads, writes)


@pytest.mark.parametrize("path", [INVENTORY, LOCATIONS, PRODUCTS, f"{INVENTORY}A-101/"])
async def test_a_trailing_slash_is_the_same_with_and_without(partner: Partner, path: str) -> None:
    with_slash = await partner.http.get(path, headers=partner.key)
    without = await partner.http.get(path.rstrip("/"), headers=partner.key)

    assert with_slash.status_code == without.status_code == 200
    assert with_slash.json() == without.json()


async def test_everything_else_is_refused_in_the_error_envelope(partner: Partner) -> None:
    http, key = partner.http, partner.key
    as_text = {**key, "Content-Type": "text/plain"}
    as_json = {**key, "Content-Type": "application/json"}
    large = b'{"inventory": ["' + b"x" * (10 * 1024 * 1024) + b'"]}'

    refused = {
        "404 NOT_FOUND": await http.get(f"{BASE}/orders/", headers=key),
        "405 METHOD_NOT_ALLOWED": await http.patch(INVENTORY, headers=key),
        "413 PAYLOAD_TOO_LARGE": await http.post(INVENTORY, content=large, headers=as_json),
        "415 UNSUPPORTED_MEDIA_TYPE": await http.post(INVENTORY, content=b"{}", headers=as_text),
        "400 VALIDATION_ERROR": await http.post(INVENTORY, content=b'{"inventory": [}', headers=as_json),
    }
    repeated = await http.post(INVENTORY, content=b'{"inventory": [1], "inventory": [2]}', headers=as_json)
    empty = await http.post(INVENTORY, headers=as_json)
    unknown = await http.get(INVENTORY, params={"sort": "x"}, headers=key)

    for expected, answer in refused.items():
        told = body_of(answer)
        assert isinstance(told, dict)
        assert (told["success"], told["error"].keys()) == (False, {"code", "message"})
        assert f"{answer.status_code} {told['error']['code']}" == expected
    for answer in (repeated, empty, unknown):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), answer.text


async def test_ten_megabytes_are_taken(partner: Partner) -> None:
    body = (
        b'{"inventory": [{"location_code": "A-101", "sku_code": "LAMP", "quantity": 1}], "notes": "x"'
        + b" " * (10 * 1024 * 1024 - 200)
    )
    answer = await partner.http.post(
        INVENTORY, content=body + b"}", headers={**partner.key, "Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["data"]["failed"]) == (200, 0)


async def test_the_other_surfaces_refuse_in_their_own_words(partner: Partner) -> None:
    session = await partner.http.get("/api/nowhere")
    imports = await partner.http.get("/somebody/api/v1/nowhere")

    assert session.json()["details"] == {"code": "NOT_FOUND"}
    assert imports.json() == {"message": "There is nothing at this address", "errors": []}
