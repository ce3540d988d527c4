from collections.abc import Iterator

import pytest

from tests.lab import DatabaseUrls
from tests.ledger.bench import Bench


@pytest.fixture(scope="module")
def bench(database_urls: DatabaseUrls) -> Iterator[Bench]:
    bench = Bench(database_urls)
    yield bench
    bench.close()
