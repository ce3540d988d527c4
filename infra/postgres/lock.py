"""One starter at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.postgres.errors import DatabaseTrouble

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def file_lock(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold `path` alone; the system lets go of it when the holder dies, so it is never stale."""
    if fcntl is None:  # pragma: no cover - Windows
        raise DatabaseTrouble(
            "The embedded database runs on Linux and macOS: set DATABASE_URL to a PostgreSQL server."
        )
    with path.open("a") as handle:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatabaseTrouble(
                        f"Another program has been starting or stopping the database for {seconds:.0f} s "
                        f"(it holds {path}): wait for it, or end it."
                    ) from None
                time.sleep(0.05)
        yield
