"""What the document says of routes that take JSON or a form: the framework knows one kind of body for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from litestar.openapi.spec import OpenAPIResponse, Operation, RequestBody

from domain.imports.csv import NOT_CSV, TOO_LARGE
from domain.imports.model import COLUMNS, RECORDS_MAX, REFRESH_RECORDS_MAX

type Schema = Mapping[str, Any]

_FLAG: Schema = {"type": "boolean"}
_FLAGS = ("allow_record_creation", "allow_record_update", "should_continue_on_error")
_QUANTITY: Schema = {
    "type": "number",
    "exclusiveMinimum": 0,
    "exclusiveMaximum": 10**14,
    "multipleOf": 0.0001,
    "description": "In `uom`: exact, at most 14 integer digits and 4 decimal places.",
}


def _text(longest: int, *, shortest: int = 1, **more: Any) -> Schema:
    return {"type": "string", "minLength": shortest, "maxLength": longest, **more}


def _object(properties: Mapping[str, Schema], *optional: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_RECORD = _object(
    {
        "item_name": _text(300, description="As it is called, exactly; or its SKU."),
        "bin_name": _text(265),
        "lot_name": _text(64, shortest=0, description="Empty for stock that is kept without lots."),
        "date_filled": _text(10, shortest=10, format="date"),
        "quantity": _QUANTITY,
        "uom": _text(200, description="A unit's name or abbreviation."),
    }
)
_ARGUMENTS = _object(dict.fromkeys(_FLAGS, _FLAG))
_NAMES: Schema = {
    "anyOf": [{"type": "array", "items": _text(200), "maxItems": RECORDS_MAX}, {"type": "null"}],
}
_SCOPE = {
    **_object(
        {**dict.fromkeys(("items", "locations", "location_areas", "bins", "lots"), _NAMES), "everything": _FLAG},
        *("items", "locations", "location_areas", "bins", "lots", "everything"),
    ),
    "description": "What is replaced: alternatives in a list, and all lists together; or `everything`.",
}
_PERCENT: Schema = {
    "anyOf": [{"type": "number", "minimum": 0, "maximum": 1_000_000}, {"type": "null"}],
    "description": "Nothing is changed where the stock in the scope would change by more than this.",
}


def _json(**more: Schema) -> dict[str, Any]:
    payload = {
        "type": "array",
        "items": _RECORD,
        "maxItems": RECORDS_MAX,
        "description": "Each record is judged by itself: what is wrong with one is told of its row.",
    }
    fields: dict[str, Schema] = {
        "source": {"type": "string", "enum": ["api"]},
        "arguments": _ARGUMENTS,
        "payload": payload,
        **more,
    }
    return _object(fields, "max_change_percent")


def _form(records: int, **more: Schema) -> dict[str, Any]:
    fields: dict[str, Schema] = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": f"CSV in UTF-8 with a header row, at most 10 MB (413 `{TOO_LARGE}`) and "
            f"{records} records; what is none is 422 `{NOT_CSV}`",
        },
        "arguments": {
            "type": "string",
            "description": "JSON: `headers_match_exactly` (false unless given) and, as booleans, "
            f"{', '.join(f'`{flag}`' for flag in _FLAGS)}.",
        },
        "field_mappings": {
            "type": "string",
            "description": "JSON: *your header → our column*, for all of "
            f"{', '.join(COLUMNS)}. Required unless `headers_match_exactly` is true.",
        },
        **more,
    }
    return _object(fields, "field_mappings", "max_change_percent")


def _either(json: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    example = {
        "file": f"{','.join(COLUMNS)}\r\nPinot Noir,Tank 4,2025-PN-1,2025-10-02,1250.5,L\r\n",
        "arguments": '{"headers_match_exactly": true, "allow_record_creation": true, '
        '"allow_record_update": true, "should_continue_on_error": false}',
        **({"scope": '{"locations": ["Cellar"]}'} if "scope" in form["properties"] else {}),
    }
    as_form = {"schema": form, "example": example}
    return {"required": True, "content": {"application/json": {"schema": json}, "multipart/form-data": as_form}}


@dataclass
class TokenOperation(Operation):
    """A token for a body, or for the query."""

    def __post_init__(self) -> None:
        assert isinstance(self.request_body, RequestBody)
        self.request_body.required = False


@dataclass
class ImportOperation(Operation):
    """An import by JSON (200) or by a file (202)."""

    takes: ClassVar[Mapping[str, Any]] = _either(_json(), _form(RECORDS_MAX))

    def __post_init__(self) -> None:
        self.request_body = self.takes  # type: ignore[assignment] # as it is to be written
        assert self.responses is not None
        at_once = self.responses["200"]
        assert isinstance(at_once, OpenAPIResponse)
        self.responses["202"] = OpenAPIResponse(description="A file has been queued", content=at_once.content)


@dataclass
class RefreshOperation(ImportOperation):
    """A refresh, alike."""

    takes: ClassVar[Mapping[str, Any]] = _either(
        _json(scope=_SCOPE, max_change_percent=_PERCENT),
        _form(
            REFRESH_RECORDS_MAX,
            scope={"type": "string", "description": "JSON, as `scope` of the JSON body."},
            max_change_percent={"type": "string", "description": "A number, as in the JSON body."},
        ),
    )
