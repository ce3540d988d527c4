"""One way to log for our code and for everybody else's: structlog in front, the standard library behind."""

import logging.config
import sys
import time
import traceback
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from infra.observability.masking import escape_controls, escape_json, hide_values, mask_secrets

_encoder = msgspec.json.Encoder(enc_hook=repr)

type Format = Literal["auto", "console", "json"]


def resolve_format(
    chosen: Format, *, production: bool, stream: TextIO | None = None
) -> Literal["console", "json"]:
    """`auto` is readable in a terminal and JSON everywhere else."""
    if chosen != "auto":
        return chosen
    return "console" if not production and (stream or sys.stderr).isatty() else "json"


def configure_logs(*, chosen: Literal["console", "json"], level: str) -> None:
    """Send every log entry of this process to standard error, in one format."""
    logging.config.dictConfig(log_config(chosen=chosen, level=level))
    structlog.configure(
        processors=[*_shared(), *_rendering(chosen, to_bytes=True)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=(
            structlog.BytesLoggerFactory(sys.stderr.buffer)
            if chosen == "json"
            else structlog.WriteLoggerFactory(sys.stderr)
        ),
        cache_logger_on_first_use=True,
    )


def log_config(*, chosen: Literal["console", "json"], level: str) -> dict[str, Any]:
    """The same for servers that configure the standard library in each of their processes."""
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"entry": {"()": "infra.observability.logs.foreign_formatter", "chosen": chosen}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "entry", "stream": "ext://sys.stderr"}
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            # Servers would add handlers of their own, and we write the request line ourselves.
            "_granian": {"handlers": [], "propagate": True},
            "granian.access": {"handlers": [], "propagate": True, **quiet},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": True, **quiet},
            "alembic": quiet,
            "asyncio": quiet,
            "casbin": quiet,
            # They would tell the whole address of each call, and webhooks have secrets in theirs.
            "httpcore": quiet,
            "httpx": quiet,
        },
    }


def foreign_formatter(chosen: Literal["console", "json"]) -> logging.Formatter:
    """Gives entries of the standard library the look of ours."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(chosen)],
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.StackInfoRenderer(),
    ]


@lru_cache(maxsize=2)  # most entries are of the same second as the one before
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


def _stamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    event["at"] = f"{_second(seconds)}.{rest // 1000:06d}Z"
    return event


def _rendering(chosen: Literal["console", "json"], *, to_bytes: bool = False) -> list[Processor]:
    if chosen == "json":
        to_json: Processor = _to_json if to_bytes else _to_json_text
        return [structlog.processors.ExceptionRenderer(_frames), mask_secrets, to_json]
    return [
        structlog.processors.ExceptionRenderer(_traceback),
        mask_secrets,
        escape_controls,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at"),
    ]


# Never the local variables: they hold what the entry itself must not.
_transformed = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)


def _frames(exc_info: ExcInfo) -> list[dict[str, Any]]:
    return [_with_values_hidden(one) for one in _transformed(exc_info)]


def _with_values_hidden(told: dict[str, Any]) -> dict[str, Any]:
    inner = [[_with_values_hidden(one) for one in group] for group in told.get("exceptions", ())]
    return {**told, "exc_value": hide_values(told["exc_value"]), "exceptions": inner}


def _traceback(exc_info: ExcInfo) -> str:
    text = "".join(traceback.format_exception(*exc_info)).rstrip()
    for error in _chain(exc_info[1], set()):
        text = text.replace(str(error), hide_values(str(error)))
    return text


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """An exception, and all that led to it or is in it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, error.__context__, *inner):
        yield from _chain(other, seen)


def _to_json(_logger: Any, _method: str, event: EventDict) -> bytes:
    return escape_json(_encoder.encode(event))


def _to_json_text(_logger: Any, _method: str, event: EventDict) -> str:
    return escape_json(_encoder.encode(event)).decode()
