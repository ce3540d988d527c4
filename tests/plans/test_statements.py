"""How many statements a request costs once the application is warm: one, and none for authentication."""

import json

import asyncpg
import httpx

from tests.bench.capture import caught
from tests.e2e.api.company import Company, found_company, master_key
from tests.e2e.api.operations import Operation, all_operations
from tests.lab import DatabaseUrls

ONE_STATEMENT = {
    "adjustInventory",
    "createInventoryAdjustment",
    "getInventoryHistory",
    "getProductInventoryLevels",
    "getTransaction",
    "listInventory",
    "listInventoryAdjustments",
    "listInventoryByLocation",
    "listMovements",
    "listRecordedStock",
}
"""Every read of stock, and the writes that are asked for all day."""


def the_ones() -> list[Operation]:
    return [operation for operation in all_operations() if operation.id in ONE_STATEMENT]


def addresses(operation: Operation, company: Company) -> set[str]:
    """Where it is asked: without parameters, and with those of its example."""
    path = company.path(operation.path)
    return {path, str(httpx.URL(path, params=company.fill(operation.query))).rstrip("?")}


async def test_a_request_is_one_statement(database_urls: DatabaseUrls) -> None:
    admin = await asyncpg.connect(database_urls.admin_url)
    company = await found_company(admin, "counted")
    headers = {**await master_key(admin, company), "content-type": "application/json"}
    await admin.close()

    statements = {}
    async with caught(database_urls) as application:
        for operation in the_ones():
            body = operation.example and json.dumps(company.fill(operation.example))
            for address in addresses(operation, company):
                asked = await application.ask(operation.method, address, headers=headers, body=body)
                # An absolute quantity is set once; to set it again would change nothing, which the ledger finds.
                assert asked.status == 200 or b"NO_CHANGE" in asked.body, asked.body
                statements[f"{operation.id} {address}"] = len(asked.statements)

    print(statements)
    assert {name.split()[0] for name in statements} == ONE_STATEMENT
    assert set(statements.values()) == {1}
