"""Schema revisions. `script` runs one of the SQL files beside them."""

from pathlib import Path

from alembic import op

SQL = Path(__file__).parent / "sql"


def script(*names: str) -> None:
    """Run whole SQL files inside the revision's transaction, giving up quickly on a lock held by traffic."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    for name in names:
        text = (SQL / name).read_text(encoding="utf-8")
        connection.run_async(lambda driver, text=text: driver.execute(text))
