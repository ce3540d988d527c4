"""Reading stock and its history: one statement a request, rows straight into the structs of the answers.

How the statements are built, so that their plans neither depend on statistics nor are made anew for each call:

- The page comes first, by keyset on an index that serves filter and order together; joins come after it, each a
  look-up by full key (`LATERAL … OFFSET 0`), so that no join can become a scan of a grown table.
- LIMIT is a literal of a few fixed sizes. A filter's value stands in a subquery (`= (SELECT $2)`): to the planner
  it is the same whatever it is, so the one generic plan is taken for good after the driver's fifth call. Planning
  such a statement costs several times what running it does.
- Statements that count or sort what they find (search, status) are left to the planner instead.

See infra/decisions/0004.
"""

from infra.ledger.queries.history import SqlMovementReader
from infra.ledger.queries.stock import SqlStockReader

__all__ = ["SqlMovementReader", "SqlStockReader"]
