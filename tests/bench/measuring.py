"""Scenarios and limits, measured in turn: what belongs together runs within the same seconds."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from infra.postgres import Running
from tests.bench.bare import Plan
from tests.bench.books import Checked
from tests.bench.capture import caught
from tests.bench.claiming import claiming_script
from tests.bench.flowing import Site
from tests.bench.flows import FlowLoad, run_flows
from tests.bench.generators import Generator, PythonGenerator
from tests.bench.limits import Hashing, Pgbench, pgbench_script
from tests.bench.meters import Meter
from tests.bench.records import REFRESHED
from tests.bench.runs import Cell, Load, Pair, Run, Side, Taken
from tests.bench.scenarios import LIMITS, STRIDE, Prepared, Scenario, prepare
from tests.bench.stage import PASSWORD, Ledger, Stage, a_ledger, a_stage

_GROWTH_CONNECTIONS = 8
_WARM_SECONDS = 0.8
_BY_HAND = {"unnest", "copy"}
"""Limits on tables of their own, for which only the largest ledger has room."""
_HASHING_THREADS = 1  # in each worker: infra/access/passwords.py

type Tell = Callable[[str], None]


class Size(msgspec.Struct, kw_only=True):
    """What is known of a ledger of one size when all is done."""

    lines: int
    made_seconds: float
    checked: Checked | None = None


class Measured(msgspec.Struct, kw_only=True):
    """Everything that a benchmark finds out."""

    cells: list[Cell] = []
    sizes: list[Size] = []
    unserved: dict[str, str] = {}
    wrong: list[str] = []
    """Runs whose books do not agree with what clients saw, and other faults."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured, and how long."""

    sizes: Sequence[int]
    """In lines; everything is measured on the largest, lists and one adjustment on the others too."""
    scenarios: Sequence[Scenario]
    connections: Sequence[int]
    seconds: float
    repeats: int
    workers: int

    def warm(self, connections: int) -> float:
        return min(_WARM_SECONDS, self.seconds / 2) + connections / 128


class Player:
    """Measures cells on the stages of all sizes, which stand side by side."""

    def __init__(self, bench: Bench, generator: Generator, tell: Tell) -> None:
        self._bench = bench
        self._generator = generator
        self._tell = tell
        self.measured = Measured()
        self._stages: dict[int, Stage] = {}
        self._prepared: dict[tuple[int, str], Prepared] = {}

    def play(self, cluster: Running, template: str) -> Measured:
        asked = any(scenario.asked for scenario in self._bench.scenarios)
        with ExitStack() as stack:
            for lines in sorted(self._bench.sizes):
                self._tell(f"making a ledger of {lines:,} lines")
                by_hand = any(scenario.limit in _BY_HAND for scenario in self._on(lines))
                ledger = stack.enter_context(a_ledger(cluster, template, lines, asked=asked, by_hand=by_hand))
                self.measured.sizes.append(Size(lines=lines, made_seconds=ledger.seconds))
                plan = asyncio.run(self._prepare(ledger))
                self._stages[lines] = stack.enter_context(
                    a_stage(cluster, ledger, plan, workers=self._bench.workers)
                )
            self._measure()
            for size in self.measured.sizes:
                self._tell(f"checking the books of {size.lines:,} lines")
                size.checked = self._stages[size.lines].books.check(size.lines)
                if not size.checked.is_right:
                    self.measured.wrong.append(f"the books of {size.lines:,} lines are not right")
        return self.measured

    def _on(self, lines: int) -> list[Scenario]:
        """The scenarios that play on a ledger of a size."""
        is_largest = lines == max(self._bench.sizes)
        return [one for one in self._bench.scenarios if is_largest or one.limit not in _BY_HAND]

    async def _prepare(self, ledger: Ledger) -> Plan:
        answers, streamed = {}, {f"/{s.name}" for s in self._bench.scenarios if s.streamed}
        async with caught(ledger.urls) as application:
            for scenario in self._on(ledger.lines):
                prepared = await prepare(scenario, ledger, application)
                self._prepared[ledger.lines, scenario.name] = prepared
                if prepared.asked is None:
                    self.measured.unserved[scenario.name] = prepared.refusal
                elif scenario.limit == "bare":
                    answers[f"/{scenario.name}"] = prepared.answers
        tenant = str(ledger.stock.tenant_id)
        return Plan(
            url=ledger.urls.app_url,
            tenant=tenant,
            answers=answers,
            streamed=frozenset(streamed),
            refreshed=ledger.stock.locations[REFRESHED],
        )

    def _measure(self) -> None:
        largest = max(self._bench.sizes)
        self._stages[largest].books.settle()
        plan = [
            (self._cell(scenario, largest, connections), scenario.limit != "none")
            for scenario in self._served()
            for connections in scenario.connections
            if connections in self._bench.connections
        ]
        plan += [
            (self._cell(scenario, lines, _GROWTH_CONNECTIONS), False)
            for scenario in self._served()
            if (scenario.is_list or scenario.name == "adjust-spread")
            and _GROWTH_CONNECTIONS in self._bench.connections
            for lines in self._bench.sizes
            if lines != largest
        ]
        # What is compared across sizes or connections lies within one repeat, not all repeats of a cell in a row.
        for repeat in range(self._bench.repeats):
            for cell, limited in plan:
                self._tell(
                    f"{repeat + 1}/{self._bench.repeats}  {cell.scenario}, {cell.connections} connections, "
                    f"{cell.lines:,} lines"
                )
                cell.pairs.append(self._pair(cell, repeat, limited=limited))
        self.measured.cells = [cell for cell, _ in plan]

    def _served(self) -> list[Scenario]:
        return [scenario for scenario in self._bench.scenarios if scenario.name not in self.measured.unserved]

    def _cell(self, scenario: Scenario, lines: int, connections: int) -> Cell:
        asked = self._prepared[lines, scenario.name].asked
        return Cell(
            scenario=scenario.name,
            lines=lines,
            connections=connections,
            limit_name=LIMITS[scenario.limit],
            statements=None if asked is None or scenario.limit == "copy" else len(asked.statements),
        )

    def _pair(self, cell: Cell, repeat: int, *, limited: bool) -> Pair:
        # Whoever comes second finds warmer caches, so they take turns.
        order: list[Side] = ["app", "limit"] if repeat % 2 == 0 else ["limit", "app"]
        runs = {side: self._run(cell, side, repeat) for side in order if side == "app" or limited}
        return Pair(app=runs["app"], limit=runs.get("limit"))

    def _run(self, cell: Cell, side: Side, repeat: int) -> Run:
        stage = self._stages[cell.lines]
        prepared = self._prepared[cell.lines, cell.scenario]
        scenario = prepared.scenario
        before = self._stored(stage, scenario, side)
        servers = [stage.app.process.pid] if side == "app" else [stage.bare.process.pid]
        meter = Meter(servers=servers, postmaster=stage.cluster.pid, books=stage.books)
        taken = self._take(cell, prepared, side, repeat)
        spent = meter.spent(taken)
        stored = self._stored(stage, scenario, side) - before if scenario.stores else None
        self._judge(cell, side, scenario, taken, stored)
        if scenario.claims and (unequal := stage.books.unequal_claims()):
            self.measured.wrong.append(f"{cell.scenario}, {side}: {unequal} claims, lines and totals disagree")
        return Run(taken=taken, spent=spent, stored=stored)

    def _stored(self, stage: Stage, scenario: Scenario, side: Side) -> int:
        if side == "limit" and scenario.limit in _BY_HAND:
            return stage.books.moved_by_hand()
        if scenario.claims:
            return stage.books.claims()
        return stage.books.position() if scenario.movements else 0

    def _take(self, cell: Cell, prepared: Prepared, side: Side, repeat: int) -> Taken:
        stage, scenario = self._stages[cell.lines], prepared.scenario
        seconds, warm = self._bench.seconds, self._bench.warm(cell.connections)
        if scenario.flow:
            return run_flows(
                FlowLoad(
                    url=stage.app.url if side == "app" else stage.bare.url,
                    flow=scenario.flow if side == "app" else f"{scenario.flow}-by-hand",
                    site=Site.of(stage.ledger),
                    connections=cell.connections,
                    seconds=seconds,
                )
            )
        if side == "app" or scenario.limit in {"bare", "unnest"}:
            # Which one it is makes no difference to long requests, and only ours waits for what is under way.
            generator = PythonGenerator() if scenario.is_long else self._generator
            return generator.run(
                Load(
                    url=stage.app.url if side == "app" else stage.bare.url,
                    method=scenario.method,
                    paths=[prepared.path if side == "app" else f"/{scenario.name}"],
                    headers=scenario.headers(stage.ledger),
                    bodies=scenario.some_bodies(stage.ledger, f"{cell.connections} {repeat}"),
                    connections=cell.connections,
                    seconds=seconds,
                    warm_seconds=warm,
                    is_long=scenario.is_long,
                )
            )
        return self._limit(stage, prepared).run(connections=cell.connections, seconds=seconds, warm_seconds=warm)

    def _limit(self, stage: Stage, prepared: Prepared) -> Pgbench | Hashing:
        if prepared.scenario.limit == "hash":
            threads = self._bench.workers * _HASHING_THREADS
            return Hashing(PASSWORD, stage.ledger.password_hash, threads=threads)
        assert prepared.asked is not None
        if prepared.scenario.claims:
            script = claiming_script(prepared.asked.statements, stage.ledger, hot=prepared.scenario.hot)
        else:
            ((statement, arguments),) = prepared.asked.statements
            script = pgbench_script(
                statement, arguments, lines=stage.ledger.lines, hot=prepared.scenario.hot, stride=STRIDE
            )
        return Pgbench(stage.cluster, stage.ledger.urls, str(stage.ledger.stock.tenant_id), script)

    def _judge(self, cell: Cell, side: Side, scenario: Scenario, taken: Taken, stored: int | None) -> None:
        """What was acknowledged is stored, and what is stored was sent."""
        where = f"{cell.scenario}, {cell.connections} connections, {cell.lines:,} lines, {side}"
        if stored is not None:
            least, most = taken.acknowledged * scenario.stores, taken.sent * scenario.stores
            if not least <= stored <= most:
                self.measured.wrong.append(f"{where}: acknowledged {least}, stored {stored}, sent {most}")
        if taken.refused or taken.broken:
            self.measured.wrong.append(
                f"{where}: {taken.refused} refused, {taken.broken} without an answer; first: {taken.trouble[:300]}"
            )
