"""A PostgreSQL server of one's own, to be killed."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from infra.postgres import Running, Server
from tests.lab import a_free_port


class Victim:
    """Durable, on a port that it keeps, so that clients find it again."""

    def __init__(self, folder: Path) -> None:
        self._server = Server(folder / "data", profile="durable", port=a_free_port())
        self.running: Running = self._server.start()

    def kill(self) -> None:
        """End all of its processes at once, as a power cut does (what the system has taken for writing stays)."""
        postmaster = psutil.Process(self.running.pid)
        tree = [postmaster, *postmaster.children(recursive=True)]
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(tree, timeout=10)

    def restart(self) -> None:
        self.running = self._server.start()

    def destroy(self) -> None:
        self._server.destroy()


@contextmanager
def a_victim() -> Iterator[Victim]:
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-fault-"))
    folder.chmod(0o755)  # as root, the server runs as another account
    victim = Victim(folder)
    try:
        yield victim
    finally:
        victim.destroy()
        shutil.rmtree(folder)
