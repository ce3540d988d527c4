"""Passwords that we made, each in a file that only its owner reads."""

import os
import secrets
from pathlib import Path

_BYTES = 24


def read_password(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def write_password(path: Path, password: str) -> None:
    """Keep `password` in `path`, whole or not at all."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(password + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    half.rename(path)


def password_in(path: Path) -> str:
    """The password in `path`, made now if there is none; of letters that need no quoting anywhere."""
    known = read_password(path)
    if known:
        return known
    password = secrets.token_urlsafe(_BYTES)
    write_password(path, password)
    return password
