"""What a newcomer needs to know of the demo, kept beside the database, which has only hashes of passwords."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from app.cli.composition import Composition
from app.cli.console import progress, say
from app.settings import Settings, shown, variable


class DemoUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can log in."""

    email: str
    password: str
    role: str


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Who may log in, and calls to try, with `{url}` where the server's address belongs."""

    users: tuple[DemoUser, ...] = ()
    calls: tuple[str, ...] = ()
    database: str = ""
    """Which database it is about: a folder may have served several."""


def demo_file(settings: Settings) -> Path:
    return settings.data / "demo.json"


def load_demo_data(
    main: Composition, settings: Settings, named: Settings, *, source: Path | None, days: int | None
) -> Any:
    """Load the demo with progress, keep its summary for its owner's eyes, and return the whole report."""
    with progress() as report_progress:
        report = asyncio.run(main.load_demo(named, source=source, days=days, progress=report_progress))
    summary = msgspec.convert(report, DemoSummary, from_attributes=True)
    file = demo_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(summary, database=_which(settings))))
    return report


def demo_summary(settings: Settings) -> DemoSummary:
    """What was kept when the demo was loaded; empty when that was done from somewhere else."""
    try:
        kept = msgspec.json.decode(demo_file(settings).read_bytes(), type=DemoSummary)
    except (FileNotFoundError, msgspec.DecodeError):
        return DemoSummary()
    return kept if kept.database == _which(settings) else DemoSummary()


def show_users(summary: DemoSummary) -> None:
    """List who can log in."""
    if not summary.users:
        say("  The demo was loaded from elsewhere: its passwords are not known here.")
        return
    emails = max(len(user.email) for user in summary.users)
    passwords = max(len(user.password) for user in summary.users)
    for user in summary.users:
        say(f"  {user.email:<{emails}}  {user.password:<{passwords}}  {user.role}")


def _which(settings: Settings) -> str:
    return shown(settings).get(variable("database_url"), "embedded")
