"""Uploads that nobody should be harmed by: what each is, how it is sent, and what it is answered with."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping

import msgspec

from tests.e2e.import_api.programs import ALL, COLUMNS, EXACT

BOUNDARY = "7d1a0f5e"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
NOT_CSV = "Invalid file type. Only CSV files are allowed."
TOO_LARGE = "File size exceeds maximum allowed size of 10MB"
LARGEST = 10 * 1024 * 1024
HEADER = ",".join(COLUMNS)
ROW = "Item,Bin,Lot,2026-01-31,5,ea"
GOOD = f"{HEADER}\r\n{ROW}\r\n".encode()


class Hostile(msgspec.Struct, frozen=True, kw_only=True):
    """A body as it goes over the wire, and the refusal of it."""

    what: str
    body: bytes
    kind: str = FORM
    status: int = 422
    says: str = ""


def part(name: str, content: bytes, *, file: str | None = None, more: bytes = b"") -> bytes:
    shown = "" if file is None else f'; filename="{file}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n'.encode()
    return head + more + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def arguments(value: object = EXACT) -> bytes:
    return part("arguments", json.dumps(value).encode())


def mappings(value: object) -> bytes:
    return part("field_mappings", json.dumps(value).encode())


def with_file(content: bytes, *, name: str = "stock.csv", more: bytes = b"") -> bytes:
    return form(arguments(), part("file", content, file=name, more=more))


def corpus() -> Iterator[Hostile]:
    yield from _other_types()
    yield from _broken_text()
    yield from _sizes()
    yield from _broken_forms()
    yield from _fields()


def _other_types() -> Iterator[Hostile]:
    contents = {
        "NUL bytes": GOOD.replace(b"Lot", b"L\0t"),
        "UTF-16 with its mark": GOOD.decode().encode("utf-16"),
        "UTF-16, the other end first": b"\xfe\xff" + GOOD.decode().encode("utf-16-be"),
        "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
        "UTF-32": GOOD.decode().encode("utf-32"),
        "Latin 1": GOOD.replace(b"Item", "Château".encode("latin-1")),
        "a zip": _zip({"stock.csv": GOOD}),
        "a zip of nothing but zeros": _zip({"stock.csv": bytes(8 << 20)}),
        "a workbook": _zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"}),
        "an old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
        "gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 64,
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    }
    for what, content in contents.items():
        yield Hostile(what=what, body=with_file(content), says=NOT_CSV)
    for name in ("stock.xlsx", "stock", "stock.csv.exe", ".", "stock.csv/"):
        yield Hostile(what=f"called {name}", body=with_file(GOOD, name=name), says=NOT_CSV)


def _broken_text() -> Iterator[Hostile]:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"c" * 1_000 + b'">]><a>' + b"&b;" * 10_000
    contents = {
        "nothing": (b"", "The file is empty: its first row must name the columns"),
        "a header alone": (f"{HEADER}\n".encode(), "The file has no records below its header"),
        "a quote without its end": (GOOD + b'"Item,Bin,Lot,2026-01-31,5,ea\r\n' * 50, "not valid CSV"),
        "text behind a quote": (GOOD + b'"Item"x,Bin,Lot,2026-01-31,5,ea\r\n', "not valid CSV"),
        "a header twice": (GOOD.replace(b"lot_name", b"item_name"), "stands there twice"),
        "a header missing": (GOOD.replace(b",uom", b"").replace(b",ea", b""), "uom is missing"),
        "a header of its own": (GOOD.replace(b"uom", b"unit"), "'unit' is not one of them"),
        "the mark twice": (b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD, "item_name is missing"),
        "semicolons": (GOOD.replace(b",", b";"), "separated by semicolons"),
        "tabs": (GOOD.replace(b",", b"\t"), "separated by tabs"),
        "a page": (b"<html><body>Sign in</body></html>\n" * 3, "The headers must be"),
        "JSON": (json.dumps({"payload": [1]}).encode(), "The headers must be"),
        "an entity bomb": (bomb, "separated by semicolons"),
    }
    for what, (content, says) in contents.items():
        yield Hostile(what=what, body=with_file(content), says=says)


def _sizes() -> Iterator[Hostile]:
    wide = b",".join(b"c%d" % n for n in range(1_000_000))
    contents = {
        "one line of 10 MB": b"x" * LARGEST,
        "one quoted cell of 10 MB": b'"' + b"x\n" * (LARGEST // 2 - 2) + b'"',
        "10 MB of commas": b"," * LARGEST,
        "10 MB of line breaks": b"\n" * LARGEST,
        "10 MB of quotes": b'"' * LARGEST,
        "10 MB of empty rows": f"{HEADER}\r\n".encode() + b"\r\n" * (LARGEST // 2 - 50),
        "a million columns": wide,
        "a million cells in a row": f"{HEADER}\n".encode() + wide,
        "a thousand and one records": f"{HEADER}\n".encode() + f"{ROW}\n".encode() * 1_001,
        "ten megabytes of records": f"{HEADER}\n".encode() + f"{ROW}\n".encode() * (LARGEST // (len(ROW) + 1) - 4),
    }
    for what, content in contents.items():
        yield Hostile(what=what, body=with_file(content))
    over = f"{HEADER}\n".encode().ljust(LARGEST + 1, b"x")
    yield Hostile(what="a byte too many", body=with_file(over), status=413, says=TOO_LARGE)
    yield Hostile(what="30 MB", body=with_file(b"x" * (30 << 20)), status=413, says=TOO_LARGE)


def _broken_forms() -> Iterator[Hostile]:
    whole = with_file(GOOD)
    file = part("file", GOOD, file="stock.csv")
    yield Hostile(what="no boundary", body=whole, kind="multipart/form-data")
    yield Hostile(what="an empty boundary", body=whole, kind="multipart/form-data; boundary=")
    yield Hostile(what="another boundary", body=whole, kind="multipart/form-data; boundary=nonsense")
    yield Hostile(what="a boundary of 10,000", body=whole, kind=f"multipart/form-data; boundary={'b' * 10_000}")
    yield Hostile(what="cut off", body=whole[: len(whole) // 2])
    yield Hostile(what="no end", body=whole.removesuffix(f"--{BOUNDARY}--\r\n".encode()))
    yield Hostile(what="no parts", body=form(), says="file")
    yield Hostile(what="no body", body=b"")
    yield Hostile(what="hundreds of parts", body=form(file, *[part(f"x{n}", b"") for n in range(900)]))
    yield Hostile(what="thousands of parts", body=form(file, *[part("arguments", b"")] * 5_000))
    yield Hostile(what="hundreds of files", body=form(arguments(), *[file] * 900), says="more than once")
    yield Hostile(what="a part without a name", body=form(file, b"--" + BOUNDARY.encode() + b"\r\n\r\nx\r\n"))
    yield Hostile(what="a head of a megabyte", body=with_file(GOOD, more=b"X-Pad: " + b"x" * (1 << 20) + b"\r\n"))
    yield Hostile(what="a hundred headers", body=with_file(GOOD, more=b"X-Pad: x\r\n" * 100))
    odd = b"Content-Type: text/plain; charset=utf-16\r\n"
    yield Hostile(what="a field in UTF-16", body=form(file, part("arguments", b"{}x", more=odd)))
    none = b"Content-Type: text/plain; charset=klingon\r\n"
    yield Hostile(what="a field in no charset", body=form(file, part("arguments", b"{}", more=none)))
    yield Hostile(what="a field of other bytes", body=form(file, part("arguments", b"\xff\xfe")))
    pairs = b"arguments=%7B%7D&file=x"
    yield Hostile(what="pairs", body=pairs, kind="application/x-www-form-urlencoded", status=415)
    yield Hostile(what="the file itself", body=GOOD, kind="text/csv", status=415)
    yield Hostile(what="no type", body=whole, kind="", status=415)
    yield Hostile(what="JSON that is a form", body=whole, kind="application/json")


def _fields() -> Iterator[Hostile]:
    file = part("file", GOOD, file="stock.csv")
    six = {name: name for name in COLUMNS}
    yield Hostile(what="no file", body=form(arguments()), says="file: is required")
    yield Hostile(what="a file that is none", body=form(arguments(), part("file", GOOD)), says="must be a file")
    yield Hostile(what="two files", body=form(arguments(), file, file), says="more than once")
    yield Hostile(what="another field", body=form(arguments(), file, part("tenant", b"x")), says="tenant")
    told = part("arguments", b"{}", file="arguments.json")
    yield Hostile(what="arguments as a file", body=form(told, file), says="must not be a file")
    yield Hostile(what="no arguments", body=form(file), says="arguments: is required")
    yield Hostile(what="arguments that are no JSON", body=form(file, part("arguments", b"yes")), says="arguments")
    deep = part("arguments", b"[" * 50_000)
    yield Hostile(what="arguments of great depth", body=form(file, deep), says="arguments")
    yield Hostile(what="arguments of a megabyte", body=form(file, part("arguments", b" " * (1 << 20))))
    yield Hostile(what="an argument missing", body=form(file, arguments({})), says="allow_record_creation")
    odd = {**ALL, "allow_record_update": "true"}
    yield Hostile(what="an argument of another type", body=form(file, arguments(odd)), says="allow_record_update")
    yield Hostile(what="an unknown argument", body=form(file, arguments({**EXACT, "x": 1})), says="arguments")
    loose = arguments(ALL)
    yield Hostile(what="no mappings", body=form(file, loose), says="Field mappings are required")
    yield Hostile(what="empty ones", body=form(file, loose, mappings({})), says="Field mappings are required")
    wrong = {**six, "uom": "unit"}
    yield Hostile(what="a wrong target", body=form(file, loose, mappings(wrong)), says="Invalid mapping target")
    double = {**six, "other": "uom"}
    yield Hostile(what="a target twice", body=form(file, loose, mappings(double)), says="Several headers")
    few = {"item_name": "item_name"}
    yield Hostile(what="targets missing", body=form(file, loose, mappings(few)), says="Nothing is mapped to")
    renamed: Mapping[str, str] = {("Article" if k == "item_name" else k): k for k in COLUMNS}
    yield Hostile(what="a header that is not there", body=form(file, loose, mappings(renamed)), says="'Article'")
    yield Hostile(what="mappings that are a list", body=form(file, loose, mappings([1])), says="field_mappings")


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
