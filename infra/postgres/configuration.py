"""The server's settings: few, each with its reason."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import psutil

type Profile = Literal["durable", "test"]

_MEBIBYTE = 1024 * 1024
# The address of a Unix socket has 108 bytes with the closing NUL, `.s.PGSQL.65535` included.
_SOCKET_PATH_MAX = 107

_COMMON: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    # Requests are short and the cores few: workers that gather cost more than they bring, and they need
    # /dev/shm, of which a container has 64 MB.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_buffers": "16MB",
    # The first change of a page after a checkpoint logs the whole page: a third of the bytes for little CPU.
    "wal_compression": "pglz",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "track_io_timing": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    # Values of a slow statement may be somebody's data.
    "log_parameter_max_length": "0",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

_PROFILES: Mapping[Profile, Mapping[str, str]] = {
    "durable": {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    # What a test wrote need not outlive a crash, so a test about crashes takes the durable profile.
    "test": {
        "max_connections": "300",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "log_checkpoints": "off",
    },
}


def configuration(*, profile: Profile, port: int, sockets: Path, more: Mapping[str, str] | None = None) -> str:
    """The text of the file that PostgreSQL's own configuration includes."""
    settings = {
        **_COMMON,
        **_PROFILES[profile],
        "port": str(port),
        "unix_socket_directories": _socket_directory(sockets),
        "shared_buffers": f"{_shared_buffers_mib(profile)}MB",
        **(more or {}),
    }
    lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
    head = "# Written anew at every start: settings of your own belong into postgresql.conf, below the include.\n"
    return head + "".join(lines)


def _socket_directory(sockets: Path) -> str:
    if len(bytes(sockets / ".s.PGSQL.65535")) > _SOCKET_PATH_MAX:
        return ""  # the server then listens on 127.0.0.1 alone
    return '"' + str(sockets).replace('"', '""') + '"'


def _shared_buffers_mib(profile: Profile) -> int:
    if profile == "test":
        return 128
    eighth = int(psutil.virtual_memory().total / 8 / _MEBIBYTE)
    return max(64, min(512, eighth))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
