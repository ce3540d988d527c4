"""The dashboard that operators load into Grafana shows what is measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.observability import metrics

DASHBOARD = Path(metrics.__file__).parent / "grafana" / "storekeeper.json"
OURS = re.compile(r"storekeeper_\w+")
LABELS = re.compile(r"sum by \(([^)]*)\)|\{(\w+)=~|\{\{(\w+)\}\}")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    found = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def measured() -> dict[str, set[str]]:
    """Every series that this application has, with its labels."""
    found: dict[str, set[str]] = {}
    for name, value in vars(metrics).items():
        if name.isupper() and hasattr(value, "_labelnames"):
            (family,) = value.describe()
            for suffix in SUFFIXES[family.type]:
                found[f"{family.name}{suffix}"] = {*value._labelnames, "le"}
    return found


def queries(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(target["expr"], target["legendFormat"]) for panel in panels for target in panel["targets"]]


def test_the_dashboard_names_only_what_is_measured(panels: list[dict[str, Any]]) -> None:
    known = measured()

    for expression, legend in queries(panels):
        (series, *others) = set(OURS.findall(expression))
        assert not others
        assert series in known, f"{series} is not measured"
        named = {
            label.strip() for found in LABELS.findall(expression + legend) for label in ",".join(found).split(",")
        }
        assert named - {""} <= known[series], expression


def test_no_two_panels_lie_over_each_other(panels: list[dict[str, Any]]) -> None:
    squares = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(squares) == len(set(squares))
    assert len({panel["id"] for panel in panels}) == len(panels)
