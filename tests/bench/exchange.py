"""What is measured of the exchange with other systems: the feed of events, and stock that comes in bulk."""

from random import Random

import msgspec

from tests.bench.records import DAY, UNIT, count_without_lots, without_lots
from tests.bench.scenarios import Scenario
from tests.bench.stage import SLUG, Ledger

ROWS = 1_000
_BODIES, _SETS = 100, 10
"""Bodies take turns, and each tenth is of the same records: nobody sends what stands there already."""


def _sets(ledger: Ledger, random: Random) -> list[list[int]]:
    there = range(count_without_lots(ledger.lines))
    return [random.sample(there, min(ROWS, len(there))) for _ in range(_SETS)]


def _quantity(random: Random, body: int) -> int:
    """Another one in each body, and more than stands anywhere to begin with."""
    return 100 * random.randrange(10_000, 20_000) + body


def _bulk_set(ledger: Ledger, random: Random, count: int) -> list[str]:
    sets, bodies = _sets(ledger, random), []
    for body in range(min(count, _BODIES)):
        rows = [
            {"location_code": one.bin_code, "sku_code": one.sku, "quantity": _quantity(random, body)}
            for one in (without_lots(ledger.lines, number) for number in sets[body % _SETS])
        ]
        bodies.append(msgspec.json.encode({"inventory": rows, "source": "erp_sync"}).decode())
    return bodies


def _import_json(ledger: Ledger, random: Random, count: int) -> list[str]:
    sets, bodies = _sets(ledger, random), []
    allowed = ("allow_record_creation", "allow_record_update", "should_continue_on_error")
    for body in range(min(count, _BODIES)):
        records = [
            {
                "item_name": one.item_name,
                "bin_name": one.bin_name,
                "lot_name": "",
                "date_filled": DAY,
                "quantity": _quantity(random, body),
                "uom": UNIT,
            }
            for one in (without_lots(ledger.lines, number) for number in sets[body % _SETS])
        ]
        asked = {"source": "api", "arguments": dict.fromkeys(allowed, True), "payload": records}
        bodies.append(msgspec.json.encode(asked).decode())
    return bodies


EXCHANGE = (
    Scenario(
        name="events-page",
        title="Events, page of 100 from the middle of the feed",
        path="/api/events?after={middle}&limit=100",
        limit="bare",
        connections=(1, 8),
        is_list=True,
    ),
    Scenario(
        name="events-page-1000",
        title="Events, page of 1,000 from the middle of the feed",
        path="/api/events?after={middle}&limit=1000",
        limit="bare",
        connections=(1, 8),
        is_list=True,
    ),
    Scenario(
        name="bulk-set-1000",
        title=f"Set {ROWS:,} quantities in one call",
        method="POST",
        path="/api/integrations/v1/inventory/",
        bodies=_bulk_set,
        caller="x-api-key",
        limit="unnest",
        connections=(1,),
        movements=ROWS,
    ),
    Scenario(
        name="import-json-1000",
        title=f"Import {ROWS:,} records as JSON",
        method="POST",
        path=f"/{SLUG}/api/v1/inventory/import/process",
        bodies=_import_json,
        caller="token",
        limit="unnest",
        connections=(1,),
        movements=ROWS,
    ),
    Scenario(
        name="csv-100k",
        title="Refresh a location from CSV, a row for each of its lines (a tenth of all): upload until it is done",
        path=f"/{SLUG}/api/v1/inventory/refresh",
        limit="copy",
        connections=(1,),
        flow="refresh",
    ),
)
