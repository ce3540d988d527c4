"""What an examination finds, and what it knows of the surroundings."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

type Connection = asyncpg.Connection[Any]


class Verdict(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check, and what to do about it where something is to be done."""

    check: str
    verdict: Verdict
    message: str
    advice: str | None = None


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the database cannot know."""

    admin_url: str
    app_url: str
    archive: Path | None
    """Where the settings want the log archived."""
    workers: int
    pool_size: int
    is_production: bool
    is_embedded: bool


type Check = Callable[[Connection, Surroundings], Awaitable[Finding]]


def ok(check: str, message: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, message=message)


def warn(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, verdict=Verdict.WARN, message=message, advice=advice)


def fail(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, verdict=Verdict.FAIL, message=message, advice=advice)
