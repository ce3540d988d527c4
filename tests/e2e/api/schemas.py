"""What the document says of bodies and answers, as validators."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from tests.e2e.api.operations import Operation, all_operations, the_document

JSON = "application/json"


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
    validator = _validator(msgspec.json.encode(said["content"][JSON]["schema"]))
    read = msgspec.json.decode(content)
    return [f"{error.instance_path}: {error.message}"[:300] for error in validator.iter_errors(read)]


def is_valid_body(operation: Operation, body: Any) -> bool:
    """Whether the document would let a body pass."""
    return _validator(msgspec.json.encode(operation.body_schema)).is_valid(body)


def references(schema: object) -> Iterator[str]:
    """The names of the document's schemas that one refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def by_id(operation_id: str) -> Operation:
    (found,) = (operation for operation in all_operations() if operation.id == operation_id)
    return found


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    wanted = msgspec.json.decode(schema)
    schemas = the_document()["components"]["schemas"]
    used: dict[str, Any] = {}
    waiting = list(references(wanted))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = schemas[name]
            waiting += references(schemas[name])
    # It stands beside the schemas that it refers to, so that they are found.
    return jsonschema_rs.Draft202012Validator({**wanted, "components": {"schemas": used}}, validate_formats=True)
