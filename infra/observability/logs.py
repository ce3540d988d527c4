"""One way to log for our code and for everybody else's: structlog in front, the standard library behind."""

import logging.config
import sys
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from infra.observability.masking import escape_controls, mask_secrets

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
        processors=[*_shared(), *_rendering(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
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
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(chosen: Literal["console", "json"]) -> list[Processor]:
    if chosen == "json":
        # Never the local variables: they hold what the entry itself must not.
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        return [structlog.processors.ExceptionRenderer(frames), mask_secrets, _to_json]
    return [
        structlog.processors.format_exc_info,
        mask_secrets,
        escape_controls,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at"),
    ]


def _to_json(_logger: Any, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
