"""Put-away tasks as rows."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.documents import DocumentType
from domain.put_away.model import Task, TaskView, WholeTask
from domain.put_away.suggesting import Suggestion
from infra.catalog.kinds import Key, Kind
from infra.db.tables.put_away import OPEN, put_away_tasks
from infra.documents.work import history_of, steps

TASK = Kind(
    name="put_away_task",
    table=put_away_tasks,
    facts=Task,
    view=TaskView,
    shown={
        "location_code": "l.code",
        "sku": "p.sku",
        "product_name": "p.name",
        "lot_number": "nullif(t.number, '')",
        "expires_on": "t.expires_on",
        "from_bin_code": "fb.code",
        "suggested_bin_code": "sb.code",
        "to_bin_code": "tb.code",
        "open_quantity": "trim_scale(CASE WHEN x.claim_id IS NULL THEN 0 ELSE x.quantity - x.done_quantity END)",
    },
    joins="""
        JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
        JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
        JOIN lots t ON t.tenant_id = x.tenant_id AND t.id = x.lot_id
        JOIN bins fb ON fb.tenant_id = x.tenant_id AND fb.id = x.from_bin_id
        JOIN bins sb ON sb.tenant_id = x.tenant_id AND sb.id = x.suggested_bin_id
        LEFT JOIN bins tb ON tb.tenant_id = x.tenant_id AND tb.id = x.to_bin_id
    """,
    filters={
        "state": "x.state = {}::text",
        "location_id": "x.location_id = {}::uuid",
        "bin_id": "{}::uuid IN (x.from_bin_id, x.suggested_bin_id, x.to_bin_id)",
        "assignee_id": "x.assignee_id = {}::uuid",
        "product_id": "x.product_id = {}::uuid",
        "is_open": f"x.{OPEN} AND {{}}::boolean",  # so that the index of states serves
    },
    sorts={"createdAt": (Key("id", UUID),)},
    location="location_id",
)
_COLUMNS = ", ".join(f"v.{name}" for name in TASK.columns)
ONE = f"""
    SELECT {_COLUMNS}, k.explanation, {history_of(DocumentType.PUT_AWAY, "$2")} AS history
    FROM ({TASK.select("put_away_tasks")} WHERE x.tenant_id = $1 AND x.id = $2) v
    JOIN put_away_tasks k ON k.tenant_id = $1 AND k.id = v.id
"""  # noqa: S608 - ours

_suggestion = msgspec.json.Decoder(Suggestion, float_hook=Decimal)


def read_suggestion(text: str) -> Suggestion:
    return _suggestion.decode(text)


def whole_task(row: Any) -> WholeTask:
    """A row of `ONE`."""
    return WholeTask(
        view=TaskView(**{name: row[name] for name in TASK.columns}),
        explanation=read_suggestion(row["explanation"]),
        history=steps(row["history"]),
    )
