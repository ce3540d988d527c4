"""A whole location from a file: by the application, whose job is waited for, and by hand."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from tests.bench.flowing import Ask, FlowError, Form, Site
from tests.bench.records import DAY, REFRESHED, UNIT, places_at

_HEADER = "item_name,bin_name,lot_name,date_filled,quantity,uom\n"
_BOUNDARY = "a-benchmark"
_EVERY, _LONGEST = 0.05, 300.0
"""Seconds between two looks at the job, and until it is given up."""


@cache
def _forms(lines: int) -> Sequence[Form]:
    """Two, that take turns: each changes every quantity that the other has set."""
    allowed = ("headers_match_exactly", "allow_record_creation", "allow_record_update", "should_continue_on_error")
    texts = {
        "arguments": msgspec.json.encode(dict.fromkeys(allowed, True)).decode(),
        "scope": msgspec.json.encode({"locations": [f"Location {REFRESHED}"]}).decode(),
    }
    return [
        Form(
            content_type=f"multipart/form-data; boundary={_BOUNDARY}",
            content="".join(_parts(texts, _HEADER + "".join(_rows(lines, turn)))).encode(),
        )
        for turn in range(2)
    ]


def _rows(lines: int, turn: int) -> Iterator[str]:
    for n, one in enumerate(places_at(lines, REFRESHED)):
        quantity = 1 + n % 500 + 500 * turn
        yield f"{one.item_name},{one.bin_name},{one.lot_name},{DAY},{quantity},{UNIT}\n"


def _parts(texts: dict[str, str], file: str) -> Iterator[str]:
    for name, text in texts.items():
        yield f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
    head = 'content-disposition: form-data; name="file"; filename="stock.csv"\r\ncontent-type: text/csv'
    yield f"--{_BOUNDARY}\r\n{head}\r\n\r\n{file}\r\n--{_BOUNDARY}--\r\n"


async def refresh(ask: Ask, site: Site, number: int) -> None:
    """Upload, and look until it is done."""
    base = f"/{site.slug}/api/v1"
    asked = await ask("POST", f"{base}/inventory/refresh", "token", _forms(site.lines)[number % 2])
    path, since = f"{base}/imports/status/{asked['content']['job_log_id']}", time.monotonic()
    while True:
        told = (await ask("GET", path, "token", None))["content"]
        if told["status"] == "completed":
            break
        if told["status"] == "failed" or time.monotonic() - since > _LONGEST:
            raise FlowError(f"the refresh is {told['status']}: {told['error']}")
        await asyncio.sleep(_EVERY)
    result = told["result"]
    if result["failed"] or result["created"] + result["updated"] + result["unchanged"] != result["total"]:
        raise FlowError(f"the refresh has done {result}")


async def refresh_by_hand(ask: Ask, site: Site, number: int) -> None:
    """The same file to the bare server."""
    done = await ask("POST", "/csv-100k", "token", _forms(site.lines)[number % 2])
    rows = len(places_at(site.lines, REFRESHED))
    if number and done["moved"] != rows:  # the first one finds other stock, or its own
        raise FlowError(f"by hand {done['moved']} of {rows} rows have moved")
