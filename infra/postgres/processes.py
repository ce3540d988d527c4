"""Which processes are the server of a data folder."""

import os
import time
from pathlib import Path

import psutil

from infra.postgres.errors import DatabaseTrouble


class PidFile:
    """`postmaster.pid`: what the server wrote about itself, which may long be untrue."""

    def __init__(self, data: Path) -> None:
        self.path = data / "postmaster.pid"

    def _line(self, number: int) -> int | None:
        try:
            return int(self.path.read_text().splitlines()[number])
        except (OSError, ValueError, IndexError):
            return None

    @property
    def pid(self) -> int | None:
        return self._line(0)

    @property
    def port(self) -> int | None:
        return self._line(3)


def postmaster(data: Path) -> int | None:
    """The pid of the live server of `data`, None when the pid file is missing, stale or about another program."""
    pid = PidFile(data).pid
    if pid is None or pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        return pid if _serves(process, data) else None
    except psutil.NoSuchProcess:
        return None


def wait_for_orphans(data: Path, *, seconds: float) -> None:
    """Wait until no process of an earlier server is left.

    Children of a killed server end by themselves, but until then a second server on the same files would
    destroy them, and the pid file that keeps PostgreSQL from starting one is about to be removed.
    """
    deadline = time.monotonic() + seconds
    while left := _processes_of(data):
        if time.monotonic() > deadline:
            raise DatabaseTrouble(
                f"Processes of an earlier server still use {data} (pids {', '.join(map(str, left))}): "
                "end them and start again."
            )
        time.sleep(0.05)


def _processes_of(data: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if _serves(process, data):
                found.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def _serves(process: psutil.Process, data: Path) -> bool:
    # A killed server stays a zombie while nobody reaps it (a container's pid 1 often does not).
    if not process.name().startswith("postgres") or process.status() == psutil.STATUS_ZOMBIE:
        return False
    try:
        # PostgreSQL's processes all live in their data folder, whatever their command line says.
        return _lives_in(process, data)
    except (PermissionError, psutil.AccessDenied):
        return str(data) in process.cmdline()


def _lives_in(process: psutil.Process, data: Path) -> bool:
    try:
        folder = data.stat()
        # Not by its path: that of a folder which was deleted under a running server is free for the next.
        return os.path.samestat(Path(f"/proc/{process.pid}/cwd").stat(), folder)
    except FileNotFoundError:
        return data.exists() and Path(process.cwd()) == data.resolve()
