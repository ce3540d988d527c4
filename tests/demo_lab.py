"""The demonstration of its last two days, loaded once a run."""

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.demo import packed
from infra.demo.assortment import since
from infra.demo.load import DemoReport, load
from infra.demo.rows import COLUMNS, Row, day_of
from infra.postgres import APP_ROLE, Running
from infra.postgres.cluster import SUPERUSER
from tests.lab import DatabaseUrls, execute

BATCH = 1000
LAST_TWO_DAYS = dt.date(2011, 12, 8)


def write_csv(folder: Path, text: str, name: str = "sample.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def as_csv(rows: list[Row]) -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        at = dt.datetime.combine(day_of(row.minute), dt.time()) + dt.timedelta(minutes=row.minute % 1440)
        price = repr(row.mils / 1000)
        lines.writerow((row.invoice, row.code, row.description, row.qty, at, price, row.customer, row.country))
    return out.getvalue()


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded database that nobody enters, to be cloned, and what was said when it was loaded."""

    template: str
    report: DemoReport


@pytest.fixture(scope="session")
def demo_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last two days as a CSV: reading it costs little, and what is in it is real."""
    _, columns = packed.read(packed.SHIPPED)
    rows = list(since(packed.from_columns(columns), LAST_TWO_DAYS))
    return write_csv(tmp_path_factory.mktemp("demo"), as_csv(rows))


@pytest.fixture(scope="session")
async def demo(cluster: Running, template: str, demo_source: Path) -> Demo:
    """The demonstration, loaded once."""
    name = "storekeeper_demo"
    execute(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    urls = DatabaseUrls(
        name=name,
        admin_url=cluster.url(role=SUPERUSER, database=name),
        app_url=cluster.url(role=APP_ROLE, database=name),
    )
    report = await load_into(urls, demo_source)
    execute(cluster, f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    return Demo(template=name, report=report)


async def load_into(urls: DatabaseUrls, source: Path | None, **options: Any) -> DemoReport:
    wanted = {"source": source, "days": None, "batch": BATCH, "progress": lambda *_: None, **options}
    return await load(urls.admin_url, urls.app_url, **wanted)
