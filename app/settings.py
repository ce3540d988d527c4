"""The settings: read once from the environment, refused as a whole when one is wrong."""

import difflib
import os
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from domain.webhooks.addresses import AddressRules

PREFIX = "STOREKEEPER_"
_EMBEDDED_CONNECTIONS = 90  # of its 100, so that migrations, a shell and superusers still get in
_BESIDE_THE_POOL = 2  # of each worker: one hears of changes of access, one takes up jobs


class SettingsError(ValueError):
    """A setting is wrong; `str()` of it is one sentence that names it."""


class Server(StrEnum):
    GRANIAN = "granian"
    UVICORN = "uvicorn"


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class RateLimits(StrEnum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Jobs(StrEnum):
    INSIDE = "inside"
    OUTSIDE = "outside"


class Schedules(StrEnum):
    ON = "on"
    OFF = "off"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _a_rate(whose: str) -> Meta:
    return Meta(ge=0, le=10_000_000, description=f"{whose}; 0: without limit")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings with their bounds and defaults. The table in the README is printed from here."""

    database_url: Annotated[
        str | None,
        Meta(description="PostgreSQL as the application uses it; without it the embedded server is used"),
    ] = None
    database_admin_url: Annotated[
        str | None,
        Meta(description="the same database as its owner, for migrations and demo data; else DATABASE_URL"),
    ] = None
    data: Annotated[Path, Meta(description="folder of the embedded database, its passwords and logs")] = Path(
        ".data"
    )
    db_archive: Annotated[
        Path | None,
        Meta(description="folder where the embedded server keeps its log, for restores to any moment; else none"),
    ] = None
    host: Annotated[str, Meta(min_length=1, description="address to listen on; 0.0.0.0 for every network")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=1, le=65535, description="port to listen on")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="processes that serve requests")] = 1
    server: Annotated[Server, Meta(description="HTTP server to run")] = Server.GRANIAN
    env: Annotated[
        Environment,
        Meta(description="`production` logs JSON, marks cookies Secure and refuses unsafe settings"),
    ] = Environment.DEVELOPMENT
    log_format: Annotated[
        LogFormat, Meta(description="`auto`: JSON in production or into a pipe, readable in a terminal")
    ] = LogFormat.AUTO
    log_level: Annotated[LogLevel, Meta(description="least serious log entry to write")] = LogLevel.INFO
    pool_size: Annotated[int, Meta(ge=2, le=90, description="database connections per worker")] = 8
    statement_timeout_ms: Annotated[
        int, Meta(ge=100, le=3_600_000, description="longest database statement of a request")
    ] = 30_000
    lock_timeout_ms: Annotated[
        int, Meta(ge=10, le=600_000, description="longest wait for a lock in the database")
    ] = 5_000
    pool_wait_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="longest wait for a database connection; then 503")
    ] = 5_000
    body_limit_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="largest request body; more is answered 413")
    ] = 1 << 20
    query_limit_bytes: Annotated[
        int, Meta(ge=256, le=1 << 16, description="longest query of an address; more is answered 400")
    ] = 8_192
    header_limit_bytes: Annotated[
        int,
        Meta(ge=8_192, le=1 << 20, description="largest head of a request with its address (granian only)"),
    ] = 1 << 16
    in_flight_limit: Annotated[
        int,
        Meta(ge=1, le=100_000, description="requests that a worker answers at a time; more is answered 503"),
    ] = 500
    rate_limits: Annotated[
        RateLimits,
        Meta(description="the six limits below; `auto`: in production only. More requests are answered 429"),
    ] = RateLimits.AUTO
    rate_limit_read: Annotated[int, _a_rate("reads of one user or key a minute")] = 12_000
    rate_limit_write: Annotated[int, _a_rate("writes of one user or key a minute")] = 6_000
    rate_limit_heavy: Annotated[int, _a_rate("exports and analytics of one user or key a minute")] = 120
    rate_limit_tenant_read: Annotated[int, _a_rate("reads of a whole tenant a minute")] = 60_000
    rate_limit_tenant_write: Annotated[int, _a_rate("writes of a whole tenant a minute")] = 30_000
    rate_limit_tenant_heavy: Annotated[int, _a_rate("exports and analytics of a whole tenant a minute")] = 600
    trusted_proxies: Annotated[
        str | None,
        Meta(description="addresses or networks of proxies, with commas, whose X-Forwarded-For is believed"),
    ] = None
    login_free_guesses: Annotated[
        int,
        Meta(ge=0, le=5, description="wrong passwords for an account before waits begin; 0: guess without end"),
    ] = 5
    login_queue_limit: Annotated[
        int, Meta(ge=1, le=1_000, description="passwords that may wait to be checked in a worker; then 503")
    ] = 64
    session_idle_minutes: Annotated[
        int, Meta(ge=1, le=10_080, description="an unused session ends after this")
    ] = 30
    session_absolute_hours: Annotated[
        int, Meta(ge=1, le=720, description="any session ends after this, used or not")
    ] = 12
    posting_queue_limit: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="lines that may wait to be posted in a worker; more is answered 503"),
    ] = 10_000

    jobs: Annotated[
        Jobs,
        Meta(description="where background jobs are done: `inside` what serves, or only in `storekeeper work`"),
    ] = Jobs.INSIDE
    webhook_private_addresses: Annotated[
        str,
        Meta(
            description="whether webhooks may lead to addresses that are not public: `refused`, `allowed`, or the "
            "networks that they may lead to, with commas"
        ),
    ] = "refused"
    job_hands: Annotated[int, Meta(ge=2, le=32, description="jobs that a process does at a time")] = 2
    job_lost_seconds: Annotated[
        int,
        Meta(ge=1, le=3_600, description="silence after which the process of a job counts as dead"),
    ] = 30
    schedules: Annotated[
        Schedules, Meta(description="regular work of all tenants: sweeps, nightly checks; `off` asks for none")
    ] = Schedules.ON
    night_hour: Annotated[
        int, Meta(ge=0, le=23, description="hour of the day, UTC, in which nightly work is begun")
    ] = 2

    def __repr__(self) -> str:
        return f"Settings({shown(self)})"

    @property
    def is_production(self) -> bool:
        return self.env is Environment.PRODUCTION

    @property
    def limits_rates(self) -> bool:
        return self.rate_limits is RateLimits.ON or (self.rate_limits is RateLimits.AUTO and self.is_production)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks whose word on where a request comes from is taken."""
        return tuple(ip_network(text.strip()) for text in (self.trusted_proxies or "").split(",") if text.strip())

    @property
    def webhook_rules(self) -> AddressRules:
        """Where webhooks may lead to."""
        return AddressRules.of(self.webhook_private_addresses, https_only=self.is_production)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the server."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound
        host = everywhere.get(self.host) or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"http://{host}:{self.port}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the settings table."""

    name: str
    default: str
    accepts: str
    meaning: str


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in `environment`; an empty variable is one that is not set."""
    fields = {variable(field.encode_name): field for field in msgspec.structs.fields(Settings)}
    for name in environment:
        if name.startswith(PREFIX) and name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.85)
            hint = f"; did you mean {near[0]}?" if near else ": `storekeeper settings` lists them."
            raise SettingsError(f"{name} is not a setting{hint}")
    values = {
        field.encode_name: _converted(name, environment[name], field)
        for name, field in fields.items()
        if environment.get(name)
    }
    settings = Settings(**values)
    _refuse_contradictions(settings)
    return settings


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables from which another process reads the same settings."""
    return {
        variable(name): str(value) for name, value in msgspec.structs.asdict(settings).items() if value is not None
    }


def table() -> list[Row]:
    """Every setting, as `storekeeper settings` and the README show it."""
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = _meta(field)
        rows.append(
            Row(
                name=variable(field.encode_name),
                default="" if field.default is None else str(field.default),
                accepts=_accepts(field),
                meaning=meta.description or "",
            )
        )
    return rows


def shown(settings: Settings) -> dict[str, str]:
    """The values in force, fit to be read by anybody: an address is shown without its password."""
    return {
        name: _without_password(value) if name.endswith("_URL") else value
        for name, value in to_environment(settings).items()
    }


def _without_password(url: str) -> str:
    address = urlsplit(url)
    user = f"{address.username}:***@" if address.password else f"{address.username}@" if address.username else ""
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{user}{host}{address.path}"


def variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.startswith("database_") else PREFIX + field.upper()


def _converted(name: str, text: str, field: msgspec.structs.FieldInfo) -> Any:
    if field.encode_name.startswith("database_"):
        return _database_address(name, text)
    wrong = SettingsError(f"{name} is {text!r}; it must be {_accepts(field)}.")
    if _kind(field) is int and not (text.isascii() and text.isdecimal()):
        raise wrong  # msgspec would take 1e3 for a thousand
    try:
        return msgspec.convert(text, field.type, strict=False, dec_hook=_from_text)
    except msgspec.ValidationError:
        raise wrong from None


def _from_text(wanted: type, text: Any) -> Any:
    if wanted is Path:
        return Path(text).expanduser()
    raise NotImplementedError(wanted)


def _database_address(name: str, text: str) -> str:
    scheme, separator, rest = text.partition("://")
    try:
        urlsplit(text).port  # noqa: B018 - reading it checks it
    except ValueError:
        separator = ""
    # The text may hold a password, so it is not repeated.
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not separator or not rest:
        raise SettingsError(f"{name} must be an address like postgresql://user:password@host:5432/database.")
    return f"postgresql://{rest}"


def _refuse_contradictions(settings: Settings) -> None:
    if settings.database_admin_url and not settings.database_url:
        raise SettingsError("DATABASE_ADMIN_URL is set without DATABASE_URL: set both, or neither.")
    if settings.session_idle_minutes > settings.session_absolute_hours * 60:
        raise SettingsError(
            f"{variable('session_idle_minutes')} ({settings.session_idle_minutes}) is longer than "
            f"{variable('session_absolute_hours')} ({settings.session_absolute_hours}) allows any session to last."
        )

    try:
        settings.proxies  # noqa: B018 - reading it checks it
    except ValueError as wrong:
        raise SettingsError(
            f"{variable('trusted_proxies')} must be addresses or networks with commas between them: {wrong}."
        ) from None
    try:
        settings.webhook_rules  # noqa: B018 - reading it checks it
    except ValueError as wrong:
        raise SettingsError(
            f"{variable('webhook_private_addresses')} must be refused, allowed, or networks with commas between "
            f"them: {wrong}."
        ) from None
    connections = settings.workers * (settings.pool_size + _BESIDE_THE_POOL)
    if settings.database_url is None and connections > _EMBEDDED_CONNECTIONS:
        raise SettingsError(
            f"{variable('workers')} times {variable('pool_size')} and {_BESIDE_THE_POOL} is {connections} "
            f"database connections, and the embedded server has {_EMBEDDED_CONNECTIONS} for them."
        )


def _meta(field: msgspec.structs.FieldInfo) -> Meta:
    return next(part for part in get_args(field.type) if isinstance(part, Meta))


def _kind(field: msgspec.structs.FieldInfo) -> Any:
    return get_args(field.type)[0]


def _accepts(field: msgspec.structs.FieldInfo) -> str:
    kind, meta = _kind(field), _meta(field)
    if kind is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " or ".join(str(member) for member in kind)
    if kind in (Path, Path | None):
        return "a path"
    return "an address" if field.encode_name.startswith("database_") else "a text"
