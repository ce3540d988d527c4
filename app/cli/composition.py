"""What the command line needs of the composition root, which it loads only when a command runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from app.settings import Settings

type OnProgress = Callable[[str, int, int], None]


class EmbeddedServer(Protocol):
    """The server of ours that is behind a database."""

    @property
    def version(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def pid(self) -> int: ...


class Database(Protocol):
    """A database that answers."""

    @property
    def admin_url(self) -> str: ...
    @property
    def app_url(self) -> str: ...
    @property
    def started(self) -> bool: ...
    @property
    def embedded(self) -> EmbeddedServer | None: ...


class Shell(Protocol):
    """A psql to run."""

    @property
    def command(self) -> Sequence[str]: ...
    @property
    def environment(self) -> Mapping[str, str]: ...


class DatabaseStatus(Protocol):
    """What there is of the embedded server."""

    @property
    def state(self) -> str: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def version(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def port(self) -> int | None: ...


class VerifyReport(Protocol):
    """What a check of the ledger found."""

    @property
    def movements(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def drift(self) -> Sequence[Any]: ...


class Composition(Protocol):
    """The names of `app.main` that commands call."""

    def application(self) -> Any: ...
    def configure_logging(self, settings: Settings) -> Mapping[str, Any]: ...
    def start_database(self, settings: Settings) -> Database: ...
    def stop_database(self, settings: Settings) -> bool: ...
    def database_status(self, settings: Settings) -> DatabaseStatus | None: ...
    def database_shell(self, settings: Settings, *, as_application: bool) -> Shell: ...
    async def refuse_unfit_database(self, settings: Settings) -> None: ...
    def migrate(self, settings: Settings, to: str) -> None: ...
    async def has_demo(self, settings: Settings) -> bool: ...
    async def load_demo(
        self, settings: Settings, *, source: Path | None, days: int | None, progress: OnProgress
    ) -> Any: ...
    async def verify_ledger(
        self, settings: Settings, *, tenant: str | None, progress: OnProgress
    ) -> VerifyReport: ...


def composition() -> Composition:
    """`app.main`, whose import takes a second and fixes where metrics are kept: call it late."""
    from app import main  # noqa: PLC0415

    return main
