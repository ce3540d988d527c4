"""The limit of reservations: pgbench, which begins a claim, makes it on what it was told, and commits."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.bench.stage import Ledger
from tests.plans.selling import product_id

# The first line, in the order of use, that can still give one.
_LINE = """
    (
        SELECT l ->> 'line_id' FROM jsonb_array_elements({answer} -> 'pools' -> 0 -> 'lines') l
        WHERE (l ->> 'on_hand')::numeric - (l ->> 'held')::numeric - (l ->> 'reserved')::numeric >= 1
            AND l ->> 'status' = 'ACTIVE' AND coalesce((l ->> 'expires_on')::date, 'infinity') >= current_date
        LIMIT 1
    )
"""


def claiming_script(statements: Sequence[tuple[str, tuple[Any, ...]]], ledger: Ledger, *, hot: bool) -> str:
    """The application's own two calls within one transaction, for another product each time.

    What the application sends besides (whose act it is, whether there is such a product, what was made in the end)
    is left out: it is no part of the least that a claim takes.
    """
    begin, (_, _, who) = _call(statements, "claim_begin(")
    make, (claims, _) = _call(statements, "claim_make(")
    (claim,) = msgspec.json.decode(claims)
    product = str(product_id(0))
    named = f"('{product[:24]}' || lpad(to_hex(:product::bigint), 12, '0'))"
    acting = f"'{_quoted(who)}'::jsonb"
    begun = begin.replace("$1", f"ARRAY[{named}::uuid]").replace("$2", f"ARRAY['{claim['location_id']}'::uuid]")
    begun = begun.replace("$3", acting).removeprefix("SELECT ")
    told = f"SELECT {_LINE.format(answer='t.answer')} AS line FROM {begun} AS t(answer) \\gset"
    made = (
        f"jsonb_build_array('{_quoted(_text(claim))}'::jsonb || jsonb_build_object('id', uuidv7(), 'group_id', "
        f"uuidv7(), 'product_id', {named}, 'lines', jsonb_build_array(jsonb_build_object('line_id', "
        "(:line)::text, 'quantity', 1))))"
    )
    claimed = make.replace("$1", made).replace("$2", acting)
    first = "0" if hot else f"random(0, {ledger.products - 1})"
    lines = [f"\\set product {first}", "BEGIN;", _joined(told), f"{_joined(claimed)};", "COMMIT;", ""]
    return "\n".join(lines)


def _call(statements: Sequence[tuple[str, tuple[Any, ...]]], name: str) -> tuple[str, tuple[Any, ...]]:
    (found,) = [one for one in statements if name in one[0]]
    return found


def _text(claim: dict[str, Any]) -> str:
    return msgspec.json.encode(claim).decode()


def _quoted(text: str) -> str:
    # pgbench takes a colon with a name behind it for a variable, even within quotes.
    spaced = msgspec.json.format(text, indent=0)
    return spaced.replace("'", "''")


def _joined(text: str) -> str:
    return " ".join(text.split())
