"""Products for a request: found in spite of typing errors, with what the origin can give, and nobody else's."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from domain.access.model import Permission
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Site
from tests.e2e.stock_requests.asking import PATH, READ, Office, Person

CATALOG = (
    ("85123A", "White hanging heart t-light holder", "5012345678900"),
    ("22423", "Regency cakestand 3 tier", None),
    ("20725", "Lunch bag red retrospot", None),
    ("20727", "Lunch bag black skull", None),
    ("POST_50%", "Postage \\ handling", None),
)


async def add(site: Site, products: Sequence[tuple[str, str, str | None]]) -> None:
    for sku, name, barcode in products:
        await site.admin.execute(
            "INSERT INTO products (tenant_id, id, sku, name, barcode, uom_id) "
            "VALUES ($1, gen_random_uuid(), $2, $3, $4, $5)",
            site.tenant_id,
            sku,
            name,
            barcode,
            site.ids["EA"],
        )


@pytest.fixture
async def searcher(office: Office) -> Person:
    await add(office.site, CATALOG)
    return await office.person(READ, Permission.PRODUCTS_READ)


async def found(person: Person, text: str, **query: Any) -> list[dict[str, Any]]:
    answer = await person.http.get(f"{PATH}/products/search", params={"q": text, **query})
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("85123a", "85123A"),
        ("5012345678900", "85123A"),
        ("hanging heart", "85123A"),
        ("hangign haert", "85123A"),
        ("holder white", "85123A"),
        ("cakestnad", "22423"),
        ("REGENCY", "22423"),
        ("lunch bag blak", "20727"),
        ("2072", "20725"),
        ("50%", "POST_50%"),
        ("\\ hand", "POST_50%"),
        ("re", "22423"),
    ],
)
async def test_a_product_is_found_by_what_people_type(searcher: Person, text: str, sku: str) -> None:
    hits = await found(searcher, text)

    assert hits[0]["sku"] == sku, [(hit["sku"], hit["score"]) for hit in hits]


async def test_nothing_is_found_where_nothing_is_like_it(searcher: Person, office: Office) -> None:
    await office.site.admin.execute(
        "UPDATE products SET is_active = false WHERE tenant_id = $1 AND sku = '22423'", office.site.tenant_id
    )

    assert await found(searcher, "xylophone") == []
    assert await found(searcher, "%%%") == []
    assert await found(searcher, "cakestand") == []


async def test_it_says_what_the_origin_can_give_by_the_terms_of_availability(office: Office) -> None:
    await office.site.put("BOLT", 10)
    await office.approved(("BOLT", 4))
    origin = str(office.site.ids["DC"])
    inside = await office.person(READ, Permission.PRODUCTS_READ, at="DC")
    outside = await office.person(READ, Permission.PRODUCTS_READ, at="STORE")

    (seen,) = await found(inside, "bolt", originLocationId=origin)
    (unseen,) = await found(outside, "bolt", originLocationId=origin)
    (unknown,) = await found(outside, "bolt", originLocationId=str(office.site.tenant_id))

    assert (seen["onHand"], seen["available"]) == (10, 6)
    assert (unseen["onHand"], unseen["available"]) == (None, None)
    assert unknown == unseen


async def test_another_company_s_products_are_not_found(
    admin: "asyncpg.Connection[Any]", database: Database, office: Office
) -> None:
    neighbour = await Site(admin, database).build()
    await add(neighbour, [("SECRET-1", "Secret gadget", "999")])
    person = await office.person(READ, Permission.PRODUCTS_READ)

    assert await found(person, "secret gadget") == []
    assert await found(person, "999") == []
    async with database.bound(neighbour.tenant_id) as driver:
        assert len(await driver.fetch("SELECT * FROM product_search('secret', 10)")) == 1
    async with database.unbound() as driver:
        await driver.execute("SELECT set_config('app.tenant', '', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await driver.fetch("SELECT * FROM product_search('secret', 10)")


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": " "}, {"q": "x" * 101}, {"q": "a", "limit": 51}])
async def test_a_search_that_cannot_be_meant_is_refused(searcher: Person, query: dict[str, Any]) -> None:
    answer = await searcher.http.get(f"{PATH}/products/search", params=query)

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "VALIDATION_ERROR")
