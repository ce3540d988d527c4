"""The OpenAPI document: what the routes declare, plus what holds for all of them."""

from importlib.metadata import version
from typing import Any, override

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from domain.values import Quantity

DESCRIPTION = """
The session API of a warehouse management system: a stock ledger that cannot be oversold, with permission-scoped
endpoints. Log in at `/api/auth/login` for a cookie and a CSRF token, or send an API key as a bearer token.
"""


class QuantitySchema(OpenAPISchemaPlugin):
    """Quantities are exact JSON numbers."""

    @staticmethod
    @override
    def is_plugin_supported_type(value: Any) -> bool:
        return value is Quantity

    @override
    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        return Schema(
            type=OpenAPIType.NUMBER,
            exclusive_maximum=10**14,
            exclusive_minimum=-(10**14),
            multiple_of=0.0001,
            description="An exact quantity: at most 14 integer digits and 4 decimal places.",
        )


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Storekeeper",
        version=version("storekeeper"),
        description=DESCRIPTION.strip(),
        # Our own route serves the document; the framework's pages would want scripts from elsewhere.
        openapi_router=Router("/openapi", route_handlers=[], opt={"public": True}, include_in_schema=False),
        render_plugins=[JsonRenderPlugin(path="/raw.json")],
        components=Components(
            security_schemes={
                "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name="storekeeper_session"),
                "apiKey": SecurityScheme(type="http", scheme="bearer"),
            }
        ),
        security=[{"session": []}, {"apiKey": []}],
    )
