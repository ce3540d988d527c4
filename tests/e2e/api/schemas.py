"""What the document says of bodies and answers, as validators."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import msgspec

from tests.e2e.api.operations import Operation, all_operations, the_document

JSON = "application/json"


@lru_cache(maxsize=512)
def _validator(pointer: str) -> jsonschema_rs.Draft202012Validator:
    # The schema stands in its document, so that its references are found.
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/{pointer}", **{key: the_document()[key] for key in ("components", "paths")}},
        validate_formats=True,
    )


def _pointer(*steps: str) -> str:
    return quote("/".join(step.replace("~", "~0").replace("/", "~1") for step in steps))


def faults_of_answer(operation: Operation, status: int, kind: str, content: bytes) -> list[str]:
    """How an answer differs from what the document says; nothing when it does not."""
    said = operation.document["responses"].get(str(status))
    if said is None:
        return [f"status {status} is not documented"]
    kind = kind.partition(";")[0]
    if kind not in said.get("content", {}):
        return [f"content type {kind} is not documented for {status}"]
    if kind != JSON:
        return []
    pointer = ("paths", operation.path, operation.method.lower(), "responses", str(status))
    validator = _validator(_pointer(*pointer, "content", JSON, "schema"))
    return [f"{error.instance_path}: {error.message}"[:300] for error in validator.iter_errors(_read(content))]


def is_valid_body(operation: Operation, body: Any) -> bool:
    """Whether the document would let a body pass."""
    pointer = ("paths", operation.path, operation.method.lower(), "requestBody", "content", JSON, "schema")
    return _validator(_pointer(*pointer)).is_valid(body)


def _read(content: bytes) -> Any:
    return msgspec.json.decode(content)


def by_id(operation_id: str) -> Operation:
    (found,) = (operation for operation in all_operations() if operation.id == operation_id)
    return found
