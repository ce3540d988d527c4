"""The form as a page for A4 paper: no script, no address of anything, and its own style by its hash alone."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from itertools import groupby

from domain.counting.code128 import can_be_read, widths_of
from domain.counting.form import Form, FormLine

FOUND_ROWS = 6
QUIET = 10
"""Modules of white on each side of a barcode, without which scanners do not find it."""

_WRITE = (
    '<tr class="write"><td><span></span></td><td><span></span></td><td><span></span></td><td></td>'
    '<td class="box"><span></span></td></tr>'
)
STYLE = """
@page { size: A4; margin: 12mm; }
* { box-sizing: border-box; }
body { font: 10pt/1.3 system-ui, sans-serif; color: #000; background: #fff; margin: 1rem auto; max-width: 190mm; }
table { width: 100%; border-collapse: collapse; }
thead { display: table-header-group; }
tbody { break-inside: avoid; }
th, td { text-align: left; vertical-align: middle; padding: 1.2mm 2mm; }
td { border-bottom: .2mm solid #999; }
.head { display: flex; justify-content: space-between; align-items: flex-end; gap: 6mm;
  border-bottom: .5mm solid #000; padding-bottom: 3mm; margin-bottom: 2mm; font-weight: normal; }
.head h1 { font-size: 15pt; margin: 0; }
.head p { margin: 0; }
.names th { font-size: 8pt; border-bottom: .3mm solid #000; }
.bin th { background: #eee; border-top: .3mm solid #000; }
.bin div { display: flex; justify-content: space-between; align-items: center; }
.sku { font-weight: 600; }
.box { width: 26mm; }
.box span, .write span { display: block; height: 8mm; border: .3mm solid #000; }
.write td { border: 0; }
.sign { display: flex; gap: 8mm; margin-top: 8mm; }
.sign p { flex: 1; border-top: .3mm solid #000; padding-top: 1mm; }
svg { height: 11mm; max-width: 80mm; }
@media screen { body { padding: 0 1rem; } }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing; and which style it may have: the one above."""


def page_of(form: Form) -> str:
    """The whole page. Every text of the tenant is escaped."""
    return "".join(_page(form))


def barcode_of(text: str) -> str:
    """A barcode as SVG; nothing for a text that cannot stand as one."""
    if not can_be_read(text):
        return ""
    bars, at = [], QUIET
    for n, digit in enumerate(widths_of(text)):
        width = int(digit)
        if n % 2 == 0:
            bars.append(f"M{at} 0h{width}v30h-{width}z")
        at += width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {at + QUIET} 30" '
        f'preserveAspectRatio="none" width="{(at + QUIET) * 0.35:.1f}mm"><title>{escape(text)}</title>'
        f'<path d="{"".join(bars)}"/></svg>'
    )


def _page(form: Form) -> Iterator[str]:
    title = escape(f"{form.number} {form.location_code}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{STYLE}</style></head><body><table><thead>{_head(form)}</thead>"
    for _, lines in groupby(form.lines, key=lambda line: line.bin_id):
        yield from _bin(list(lines))
    yield '<tbody><tr class="bin"><th colspan="5">Found here and not listed</th></tr>'
    yield _WRITE * FOUND_ROWS
    yield "</tbody></table>"
    yield '<div class="sign"><p>Counted by</p><p>Date and time</p></div></body></html>'


def _head(form: Form) -> str:
    when = form.scheduled_for or form.created_at.date()
    part = f" · part {form.page} of {form.pages}" if form.pages > 1 else ""
    return (
        '<tr><th colspan="5"><div class="head">'
        f"<div><h1>Count {escape(form.number)}</h1><p>{escape(form.location_name)} ({escape(form.location_code)})"
        f" · {when.isoformat()}{part}</p></div>{barcode_of(form.number)}</div></th></tr>"
        '<tr class="names"><th>Product</th><th>Name</th><th>Lot, expiry</th><th>Unit</th><th>Counted</th></tr>'
    )


def _bin(lines: list[FormLine]) -> Iterator[str]:
    first = lines[0]
    zone = f" · {escape(first.zone)}" if first.zone else ""
    name = "" if first.bin_name == first.bin_code else f" · {escape(first.bin_name)}"
    yield f'<tbody><tr class="bin"><th colspan="5"><div><span>{escape(first.bin_code)}{name}{zone}</span>'
    yield f"{barcode_of(first.bin_code)}</div></th></tr>"
    for line in lines:
        expiry = "" if line.expiry_date is None else f"{'<br>' if line.lot_number else ''}{line.expiry_date}"
        yield f'<tr><td class="sku">{escape(line.global_sku)}</td><td>{escape(line.product_name)}</td>'
        yield f"<td>{escape(line.lot_number or '')}{expiry}</td><td>{escape(line.uom)}</td>"
        yield '<td class="box"><span></span></td></tr>'
    yield "</tbody>"
