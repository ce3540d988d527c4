"""The machine that the figures are of, and how fast it can put a write on its disk."""

import os
import platform
import tempfile
import time
from importlib.metadata import version
from statistics import median

import msgspec
import psutil

from infra.postgres import Running

_FLUSHES = 50
_BLOCK = b"\0" * 8192


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    postgresql: str
    granian: str
    litestar: str
    flush_ms: float
    """The median time of writing 8 kB and having them on the disk, where the database is."""


def this_machine(cluster: Running) -> Machine:
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=platform.platform(terse=True),
        python=platform.python_version(),
        postgresql=cluster.version,
        granian=version("granian"),
        litestar=version("litestar"),
        flush_ms=_flush_ms(cluster),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - no file to keep a path of
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _flush_ms(cluster: Running) -> float:
    took = []
    with tempfile.TemporaryFile(dir=cluster.data_dir.parent) as file:
        for _ in range(_FLUSHES):
            began = time.perf_counter()
            os.pwrite(file.fileno(), _BLOCK, 0)
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    return median(took)
