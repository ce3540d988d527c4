"""The table of evidence for OWASP ASVS 5.0 is complete, and what it names is there."""

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from tests.ledger.promises import show

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("evidence.tsv")

COUNTS = {"1": 70, "2": 183}
"""How many requirements the release 5.0.0 has at each level."""
CHAPTERS = range(1, 18)
STATUSES = ("met", "partly", "not applicable", "open")
LONGEST = 100
"""Characters of a requirement in our words."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    level: str
    requirement: str
    status: str
    evidence: tuple[str, ...]
    why: str

    @property
    def place(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.number.split("."))


@cache
def rows() -> tuple[Row, ...]:
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    read = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    return tuple(msgspec.convert({**row, "evidence": row["evidence"].split()}, Row, strict=True) for row in read)


@cache
def named_tests(path: str) -> frozenset[str]:
    """The tests that a file has, as they would be collected."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def is_there(evidence: str) -> bool:
    path, _, name = evidence.partition("::")
    if not (ROOT / path).is_file():
        return False
    return not name or (Path(path).name.startswith("test_") and name in named_tests(path))


def test_every_requirement_of_both_levels_is_listed_once_and_in_order() -> None:
    places = [row.place for row in rows()]

    assert all(re.fullmatch(r"[0-9]{1,2}\.[0-9]\.[0-9]{1,2}", row.number) for row in rows())
    assert places == sorted(set(places))
    assert {chapter for chapter, _, _ in places} == set(CHAPTERS)
    assert Counter(row.level for row in rows()) == COUNTS


def test_each_row_says_what_it_must() -> None:
    for row in rows():
        assert row.status in STATUSES, row.number
        assert 0 < len(row.requirement) <= LONGEST, row.number
        assert row.evidence or row.status in {"not applicable", "open"}, row.number
        assert row.why or row.status == "met", row.number
        assert not row.why or row.why.endswith("."), row.number


def test_all_evidence_is_there() -> None:
    missing = [f"{row.number}: {named}" for row in rows() for named in row.evidence if not is_there(named)]
    counts = Counter(row.status for row in rows())
    named = {evidence for row in rows() for evidence in row.evidence}
    show(
        "ASVS 5.0 L2",
        requirements=len(rows()),
        **{status.replace(" ", "_"): counts[status] for status in STATUSES},
        tests=sum("::" in evidence for evidence in named),
        missing=len(missing),
    )

    assert missing == []


@pytest.mark.parametrize(
    "evidence",
    ["tests/asvs/test_nothing.py", "tests/asvs/test_evidence.py::test_nothing", "app/main.py::application"],
)
def test_evidence_that_is_not_there_would_be_seen(evidence: str) -> None:
    assert not is_there(evidence)
