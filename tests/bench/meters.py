"""What a run costs, read from outside of it: CPU by process, transactions and log by their counters."""

import resource
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import psutil

from tests.bench.books import Books
from tests.bench.runs import Spent, Taken

_PAUSE = 0.5  # a reading looks at every process there is
_MIB = 1 << 20


class _Reading(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    server: float
    database: float
    memory: int
    """Bytes that the servers have."""


class Meter:
    """Reads while a run is under way, so that what its warm-up cost can be left out."""

    def __init__(self, *, servers: Sequence[int], postmaster: int, books: Books) -> None:
        self._servers = [psutil.Process(pid) for pid in servers]
        self._postmaster = psutil.Process(postmaster)
        self._books = books
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._counters = books.counters()
        self._ours, self._busy = _own_cpu(), _busy_cpu()
        self._readings = [self._read()]
        self._thread.start()

    def spent(self, taken: Taken) -> Spent:
        """What was spent on a run that has just ended."""
        self._over.set()
        self._thread.join()
        self._readings.append(self._read())
        first, last = self._readings[0], self._readings[-1]
        ours, busy = _own_cpu() - self._ours, _busy_cpu() - self._busy
        transactions, log = self._books.counters()
        counted = last.server - first.server + last.database - first.database
        return Spent(
            wall=last.at - first.at,
            server_cpu=self._at(taken.ended_at, "server") - self._at(taken.began_at, "server"),
            database_cpu=self._at(taken.ended_at, "database") - self._at(taken.began_at, "database"),
            other_cpu=max(0.0, busy - counted - ours),
            transactions=transactions - self._counters[0],
            wal_bytes=log - self._counters[1],
            memory_mib=first.memory / _MIB,
            memory_peak_mib=max(reading.memory for reading in self._readings) / _MIB,
        )

    def _read_on(self) -> None:
        while not self._over.wait(_PAUSE):
            self._readings.append(self._read())

    def _read(self) -> _Reading:
        return _Reading(
            at=time.time(),
            server=sum(_family(process) for process in self._servers),
            memory=sum(_memory(process) for process in self._servers),
            database=_family(self._postmaster),
        )

    def _at(self, moment: float, name: str) -> float:
        """A reading at a moment, on the line between its neighbours."""
        n = bisect_left(self._readings, moment, key=lambda reading: reading.at)
        if n in {0, len(self._readings)}:
            return float(getattr(self._readings[min(n, len(self._readings) - 1)], name))
        before, after = self._readings[n - 1], self._readings[n]
        share = (moment - before.at) / (after.at - before.at)
        low, high = getattr(before, name), getattr(after, name)
        return float(low + share * (high - low))


def _family(head: psutil.Process) -> float:
    """Seconds of CPU of a process and of all its descendants, ended ones included."""
    total = 0.0
    for process in [head, *head.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its parent counts it from now on
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(head: psutil.Process) -> int:
    """What a process and all its descendants have in memory now; what they share counts for each."""
    total = 0
    for process in [head, *head.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def _own_cpu() -> float:
    """What this process and those that it started and saw end have burnt: the clients."""
    both = [resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def _busy_cpu() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
