"""What a run is asked, and what came of it."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

import msgspec

type Side = Literal["app", "limit"]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to be sent over and over, by `connections` clients that each wait for their answer."""

    url: str
    method: str
    paths: Sequence[str]
    headers: Mapping[str, str]
    bodies: Sequence[str] = ()
    connections: int
    seconds: float
    warm_seconds: float
    is_long: bool = False
    """Requests that take long, of which each counts: there is no warm-up, and those under way are waited for."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What clients saw. Rate, latencies and their CPU leave the warm-up out, `sent` to `broken` do not."""

    began_at: float
    """When the warm-up was over, by the clock."""
    seconds: float
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    sent: int
    acknowledged: int
    refused: int = 0
    """Answers that are no success."""
    broken: int = 0
    """Requests without an answer."""
    trouble: str = ""
    """The first refusal, for the reader of the report."""
    client_cpu: float = 0.0
    """Seconds of CPU."""

    @property
    def ended_at(self) -> float:
        return self.began_at + self.seconds

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a run cost, and who else was busy. CPU of the two leaves the warm-up out, the rest does not."""

    wall: float
    server_cpu: float
    database_cpu: float
    other_cpu: float
    """Seconds of CPU that processes burnt which have no part in the run."""
    transactions: int
    """Transactions that wrote something."""
    wal_bytes: int
    memory_mib: float
    """Of the server's processes, before it."""
    memory_peak_mib: float
    """The most that was seen of it."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a cell, once."""

    taken: Taken
    spent: Spent
    stored: int | None = None
    """Movements that the ledger gained, where the run writes."""

    @property
    def per_request_ms(self) -> dict[str, float]:
        """CPU per request, by who burnt it."""
        n = self.taken.requests
        return {
            "server": 1000 * self.spent.server_cpu / n,
            "database": 1000 * self.spent.database_cpu / n,
            "client": 1000 * self.taken.client_cpu / n,
        }

    @property
    def others(self) -> float:
        """The share of one core that others took."""
        return self.spent.other_cpu / self.spent.wall


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The application and its limit within the same seconds; a limit may be lacking."""

    app: Run
    limit: Run | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.limit is None else self.app.taken.rate / self.limit.taken.rate


class Cell(msgspec.Struct, kw_only=True):
    """A scenario at a number of connections on a ledger of a size, all repeats."""

    scenario: str
    lines: int
    connections: int
    limit_name: str
    statements: int | None
    """Statements that one lone request sends to the database."""
    pairs: list[Pair] = []

    @property
    def ratio(self) -> float | None:
        """The median of the repeats' ratios, each of two neighbouring runs."""
        ratios = [pair.ratio for pair in self.pairs if pair.ratio is not None]
        return median(ratios) if ratios else None

    @property
    def cpu_ratio(self) -> float | None:
        """The CPU that a request costs at the limit over what it costs in the application, database included."""
        app, limit = self.figures("app"), self.figures("limit")
        if app is None or limit is None or not (app.cpu_ms and limit.cpu_ms):
            return None
        return limit.cpu_ms / app.cpu_ms

    def runs(self, side: Side) -> list[Run]:
        return [run for pair in self.pairs if (run := pair.app if side == "app" else pair.limit) is not None]

    def figures(self, side: Side) -> "Figures | None":
        runs = self.runs(side)
        if not runs:
            return None
        return Figures(
            rate=median(run.taken.rate for run in runs),
            p50_ms=median(run.taken.p50_ms for run in runs),
            p95_ms=median(run.taken.p95_ms for run in runs),
            p99_ms=median(run.taken.p99_ms for run in runs),
            server_ms=median(run.per_request_ms["server"] for run in runs),
            database_ms=median(run.per_request_ms["database"] for run in runs),
            client_ms=median(run.per_request_ms["client"] for run in runs),
            transactions=median(run.spent.transactions / max(1, run.taken.acknowledged) for run in runs),
            wal_bytes=median(run.spent.wal_bytes / max(1, run.taken.acknowledged) for run in runs),
            memory_mib=median(run.spent.memory_peak_mib - run.spent.memory_mib for run in runs),
            others=max(run.others for run in runs),
            refused=sum(run.taken.refused for run in runs),
            broken=sum(run.taken.broken for run in runs),
        )


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the repeats; of what others took, the worst."""

    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    server_ms: float
    database_ms: float
    client_ms: float
    transactions: float
    wal_bytes: float
    memory_mib: float
    """What the server has grown by at most, within a run."""
    others: float
    refused: int
    broken: int

    @property
    def cpu_ms(self) -> float:
        return self.server_ms + self.database_ms


def percentiles(ordered: Sequence[float]) -> tuple[float, float, float, float]:
    """p50, p95, p99 and the largest of ascending values; the value that so many do not exceed."""
    last = len(ordered) - 1
    return (
        ordered[min(last, len(ordered) * 50 // 100)],
        ordered[min(last, len(ordered) * 95 // 100)],
        ordered[min(last, len(ordered) * 99 // 100)],
        ordered[last],
    )
