"""Alembic's door: migrations run on the administrator's connection, one transaction each."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from infra.db.tables import metadata
from migrations import SQL

config = context.config


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.exec_driver_sql((SQL / "expectations.sql").read_text(encoding="utf-8"))
    connection.commit()


async def main() -> None:
    url = config.get_main_option("sqlalchemy.url")
    assert url, "infra.db.migrate sets the address"
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
