"""What a person at a terminal, or a script in its place, gets to see."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click
import msgspec

from app.cli.composition import OnProgress

_WORTH_A_LINE_SECONDS = 0.3


class Exit(IntEnum):
    """How a command ended; scripts rely on it."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    ENVIRONMENT = 3
    DEFECT = 4


def examples(*lines: str) -> str:
    """The end of a command's help: lines to copy."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(text: str = "") -> None:
    """Tell the person something; results go to standard output, this does not."""
    click.echo(text, err=True)


def emit_json(value: Any) -> None:
    """Give a script the result."""
    text = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(text, indent=2).decode())


@contextmanager
def step(title: str) -> Iterator[None]:
    """Name what is being done while it is done; what took no time leaves no line."""
    began = time.monotonic()
    with _spinner(title):
        yield
    seconds = time.monotonic() - began
    if seconds >= _WORTH_A_LINE_SECONDS:
        say(f"  {title}: {seconds:.1f} s")


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Show how far work is that counts what it does: a bar in a terminal, a line a step elsewhere."""
    if not sys.stderr.isatty():
        with _lines() as report:
            yield report
        return
    from rich.console import Console  # noqa: PLC0415 - it takes longer to load than most commands to run
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = bars.add_task(title, total=total or None)
            bars.update(tasks[title], completed=done, total=total or None)

        yield report


@contextmanager
def _lines() -> Iterator[OnProgress]:
    began: dict[str, float] = {}
    ended: set[str] = set()

    def report(title: str, done: int, total: int) -> None:
        now = time.monotonic()
        if title not in began:
            began[title] = now
            say(f"  {title} …")
        if total and done >= total and title not in ended:
            ended.add(title)
            many = f"{done:,} in " if done > 1 else ""
            say(f"  {title}: {many}{now - began[title]:.1f} s")

    yield report


@contextmanager
def _spinner(title: str) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status(title):
        yield
