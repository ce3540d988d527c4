"""Fixtures for all: one cluster a run, one migrated template, a database for each module."""

from collections.abc import Iterator

import pytest

from infra.postgres import Running
from tests.demo_lab import demo, demo_source
from tests.lab import DatabaseUrls, Served, a_cluster, a_database, a_template, serve
from tests.ledger.promises import pytest_configure, pytest_terminal_summary

__all__ = ["demo", "demo_source", "pytest_configure", "pytest_terminal_summary"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Running]:
    """The PostgreSQL server of this run, without durability."""
    with a_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def template(cluster: Running) -> str:
    """The name of a database as the real migrations leave it."""
    return a_template(cluster)


@pytest.fixture(scope="module")
def database_urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    """A fresh, migrated database for the tests of one module."""
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="module")
def served(database_urls: DatabaseUrls) -> Iterator[Served]:
    """The real server, two workers, on the database of this module."""
    with serve(database_urls) as server:
        yield server
