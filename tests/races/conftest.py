from collections.abc import AsyncGenerator

import pytest

from tests.lab import DatabaseUrls
from tests.ledger.conftest import admin, database
from tests.races.pools import Pools
from tests.races.sabotage import commit_sabotage

__all__ = ["admin", "database"]


@pytest.fixture(scope="module")
async def pools(database_urls: DatabaseUrls) -> AsyncGenerator[Pools]:
    """Two pools of eight connections."""
    await commit_sabotage(database_urls.admin_url)
    pools = await Pools.open(database_urls)
    yield pools
    await pools.close()
