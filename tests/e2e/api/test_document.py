"""The OpenAPI document is one, and the page that shows it needs nothing from outside."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any, override

import httpx
import jsonschema_rs
from schemathesis.specs.openapi.definitions import OPENAPI_31

from app.http.surfaces import Surface
from tests.e2e.api.operations import documented, the_document
from tests.e2e.api.schemas import references

NAME = re.compile(r"[a-z][a-zA-Z0-9]*|[ABC]")
"""As JavaScript writes it; classes of goods are letters."""
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
"""As the surfaces for programs write it."""
PLACE = re.compile(r"\{(\w+)\}")
ADDRESS = re.compile(r"(?:https?:)?//[^\s\"')]+")


class Loaded(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action"} and value]


async def test_the_document_is_valid_openapi_3_1(http: httpx.AsyncClient) -> None:
    response = await http.get("/openapi.json")
    read = response.json()

    assert response.headers["content-type"] == "application/json"
    assert read["openapi"].startswith("3.1.")
    assert [error.message for error in jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(read)] == []
    assert read == the_document()


async def test_the_framework_s_own_address_shows_the_same_document(http: httpx.AsyncClient) -> None:
    assert (await http.get("/openapi/openapi.json")).json() == the_document()


def test_every_schema_of_the_document_is_a_schema() -> None:
    schemas = the_document()["components"]["schemas"]

    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in schemas)
    for schema in schemas.values():
        assert jsonschema_rs.meta.is_valid(schema)


def test_every_parameter_in_a_path_is_described_and_the_other_way_round() -> None:
    for operation in documented():
        described = {parameter["name"] for parameter in operation.parameters("path")}

        assert described == set(PLACE.findall(operation.path)), operation.id


def test_bodies_refuse_what_they_do_not_know_and_answers_may_grow() -> None:
    schemas = the_document()["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    bodies = {name for o in documented() for name in references(o.body_schema)}

    assert bodies <= closed
    assert "Refusal" not in closed


def test_every_name_on_the_wire_is_written_in_one_way() -> None:
    schemas = the_document()["components"]["schemas"]
    camel = used_by(o.document for o in documented() if o.surface is Surface.SESSION)
    wrong = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field in schema.get("properties", {})
        if not (NAME if name in camel else SNAKE).fullmatch(field)
    }

    assert wrong == set()


def used_by(parts: Iterable[Any]) -> set[str]:
    """The names of all schemas that parts of the document refer to, directly or not."""
    schemas = the_document()["components"]["schemas"]
    found: set[str] = set()
    waiting = [name for part in parts for name in references(part)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(schemas[name])
    return found


async def test_the_page_loads_what_this_server_has_and_nothing_else(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    loaded = Loaded()
    loaded.feed(page.text)
    assets = {address: await http.get(address) for address in loaded.addresses}
    script, style = assets["/docs/start.js"].text, assets["/docs/swagger-ui.css"].text

    assert all(address.startswith("/") and not address.startswith("//") for address in loaded.addresses)
    assert {asset.status_code for asset in assets.values()} == {200}
    assert {asset.headers["content-type"].partition(";")[0] for asset in assets.values()} == {
        "text/css",
        "text/javascript",
    }
    assert ADDRESS.findall(page.text) == []
    assert ADDRESS.findall(script) == []
    assert "@import" not in style
    assert [u for u in re.findall(r"url\(([^)]*)\)", style) if "data:" not in u] == []
    # The bundle names addresses in its texts; the policy keeps a browser from loading anything from them.
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "//" not in policy
    assert "*" not in policy
    assert "validatorUrl: null" in script
