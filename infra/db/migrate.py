"""Schema migrations, called from the command line and from the tests alike."""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def config(admin_url: str) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(str(files("migrations")))))
    settings.set_main_option("path_separator", "os")
    settings.set_main_option("sqlalchemy.url", _sqlalchemy(admin_url).replace("%", "%%"))
    return settings


def upgrade(admin_url: str, to: str = "head") -> None:
    """Bring the database's schema up to a revision. Runs an event loop of its own: call it from a thread."""
    command.upgrade(config(admin_url), to)


def downgrade(admin_url: str, to: str) -> None:
    command.downgrade(config(admin_url), to)


def head() -> str:
    """The revision that this version of the application needs."""
    current = ScriptDirectory.from_config(config("postgresql://")).get_current_head()
    assert current is not None
    return current


def _sqlalchemy(url: str) -> str:
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    return url
