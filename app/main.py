"""The composition root: the one place that names adapters and hands them to what needs ports."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from litestar import Litestar

from app.background import Background, running
from app.controllers import CONTROLLERS
from app.http.application import Outside, build
from app.http.draining import Drained
from app.http.limits import Bounded
from app.http.protection import Protected
from app.http.tracing import QUIET, Traced
from app.settings import Environment, Jobs, Schedules, Settings, load_settings
from domain.access.limits import RateClass, Rates, of_account
from domain.access.rules import SessionLimits
from domain.errors import not_found
from domain.imports.running import job_handlers
from domain.jobs.ports import JobHandler
from domain.webhooks.addresses import AddressRules
from infra.access.audit import SqlRefusals
from infra.access.audit_trail import SqlAuditReader
from infra.access.authenticator import CachedAuthenticator
from infra.access.listener import AccessListener
from infra.access.people import SqlInvitations, SqlPeopleWork
from infra.access.people_reads import SqlDelegations, SqlPeopleReads
from infra.access.rights import SqlRightsReads, SqlRightsWork
from infra.access.store import SqlAccess
from infra.access.tokens import SqlTokenWork
from infra.authz.lazy import LazyPolicy
from infra.availability.channels import SqlChannelQueries, SqlChannelWork
from infra.availability.claims import ClaimSqlWork
from infra.availability.drilldown import SqlDrillReads
from infra.availability.holds import HoldSqlWork, SqlHoldReads
from infra.availability.lines import RecordSqlWork, SqlAvailabilityLines
from infra.availability.matrix import SqlMatrixReads
from infra.availability.reads import SqlAvailability
from infra.availability.summary import SqlSummaryReads
from infra.availability.supplies import ReceivingSqlWork, SqlSupplyQueries
from infra.catalog.queries import SqlCatalogQueries
from infra.catalog.repository import SqlCatalogWork
from infra.counting.abc import SqlPlanReads
from infra.counting.form import SqlFormReads
from infra.counting.planned import PlannedSqlWork
from infra.counting.plans import PlanSqlWork
from infra.counting.queries import SqlCountReader
from infra.counting.reviews import SqlReviewReader
from infra.counting.tasks import SqlTaskReads, TaskSqlWork
from infra.counting.work import CountingSqlWork
from infra.db import migrate as migrations
from infra.db.checks import patiently, refuse_unfit, schema_trouble
from infra.db.errors import refusal
from infra.db.pool import APP_ROLE, Database
from infra.db.work import beginning
from infra.events.feed import SqlEventFeed
from infra.expiry.control import SqlLotControl
from infra.expiry.disposal import DisposalSqlWork
from infra.expiry.expired import SqlExpiredReader
from infra.expiry.gs1 import Gs1ElementStrings
from infra.expiry.trace import SqlTraceReader
from infra.imports.reads import SqlImportReads
from infra.imports.work import ImportSqlWork
from infra.integrations.mappings import CachedMappings, MappingSqlWork, SqlMappingReads
from infra.integrations.queries import CodedSqlWork, SqlIntegrationReads
from infra.integrations.work import SettingSqlWork
from infra.jobs.actors import SqlActors
from infra.jobs.attempts import SqlAttempts
from infra.jobs.handlers import system_handlers
from infra.jobs.runner import Runner
from infra.jobs.schedules import Scheduler
from infra.jobs.work import JobSqlWork, SqlJobReads
from infra.jobs.worker import JobWorker
from infra.ledger.answers import SqlAnswers
from infra.ledger.candidates import SqlIssueReads
from infra.ledger.counts import CountSqlWork
from infra.ledger.goods import SqlGoodsReads
from infra.ledger.grouping import GroupedLedger
from infra.ledger.lot_moves import SqlLotMoveReads
from infra.ledger.new_lots import LotPostingSqlWork
from infra.ledger.originals import SqlReversalReads
from infra.ledger.queries.analytics import SqlAnalyticsReads
from infra.ledger.queries.history import SqlMovementReader
from infra.ledger.queries.stock import SqlStockReader
from infra.ledger.reference import CachedReference
from infra.limits.logins import NoThrottle, SqlLoginThrottle
from infra.limits.rates import LeasedRates
from infra.observability.logs import configure_logs, log_config, resolve_format
from infra.observability.metrics import OVERLOADS, observe_request, render_metrics
from infra.observability.requests import request_id
from infra.observability.tracing import start_tracing, traced
from infra.postgres.lifecycle import (
    database_shell,
    database_status,
    delete_database,
    start_database,
    stop_database,
)
from infra.put_away.queries import SqlPutAwayReads
from infra.put_away.work import PutAwaySqlWork
from infra.replenishment.configs import ConfigSqlWork, SqlConfigReads
from infra.replenishment.facts import SqlReplenishmentFacts
from infra.replenishment.orders import SqlRecordReads
from infra.replenishment.work import ReplenishmentSqlWork
from infra.settings.repository import SqlSettingsReader, SqlSettingsWork
from infra.stock_requests.dashboard import SqlDashboardReads
from infra.stock_requests.followups import BackorderFollowups
from infra.stock_requests.generating import GeneratingSqlWork
from infra.stock_requests.lists import SqlRequestLists
from infra.stock_requests.pending import SqlPendingReads
from infra.stock_requests.reads import SqlDeciders, SqlStockRequestReads
from infra.stock_requests.search import SqlProductSearch
from infra.stock_requests.stocklists import SqlStocklistReads, StocklistSqlWork
from infra.stock_requests.work import StockRequestSqlWork
from infra.transfers.bins import SqlTransferBins
from infra.transfers.queries import SqlTransferQueries
from infra.transfers.work import TransferSqlWork
from infra.webhooks.courier import HttpCourier
from infra.webhooks.dispatcher import Dispatcher
from infra.webhooks.reads import SqlWebhookReads
from infra.webhooks.testing import SqlTestCalls, TestSqlWork
from infra.webhooks.work import WebhookSqlWork

__all__ = [
    "access_tools",
    "application",
    "backup_tools",
    "configure_logging",
    "create_app",
    "database_shell",
    "database_status",
    "delete_database",
    "examine",
    "has_demo",
    "list_jobs",
    "load_demo",
    "migrate",
    "prune_audit",
    "refuse_unfit_database",
    "run_job",
    "start_database",
    "stop_database",
    "verify_ledger",
    "work",
]


def application() -> Traced:
    """The ASGI application of one worker process, from the environment."""
    settings = load_settings()
    configure_logging(settings)
    start_tracing()
    return create_app(settings)


def create_app(settings: Settings) -> Traced:
    """The whole application over the database that the settings name."""
    assert settings.database_url is not None, "the command line names the database before it serves"
    bounded = Bounded(litestar_app(settings), limit=settings.in_flight_limit, refused=OVERLOADS.inc)
    protected = Protected(Drained(bounded), tls=settings.is_production)
    return Traced(traced(protected, quiet=QUIET), request_id=request_id, observe=observe_request)


async def refuse_unfit_database(settings: Settings) -> None:
    """Refuse before any worker starts what each of them would refuse: once, and in a sentence."""
    assert settings.database_url is not None
    database = Database(settings.database_url, size=1)
    await database.open()
    try:
        await refuse_unfit(database, production=settings.env is Environment.PRODUCTION)
    finally:
        await database.close()


def litestar_app(settings: Settings) -> Litestar:
    assert settings.database_url is not None
    database = _database(settings)
    listener = AccessListener(settings.database_url, as_role=APP_ROLE)
    followups = BackorderFollowups(database)
    outside = Outside(
        refusal=refusal,
        refusals=SqlRefusals(database),
        ready=lambda: _trouble(database),
        metrics=render_metrics,
        secure_cookies=settings.env is Environment.PRODUCTION,
        body_limit=settings.body_limit_bytes,
        rate_limiter=LeasedRates(database, _rates(settings)) if settings.limits_rates else None,
        trusted_proxies=settings.proxies,
        query_limit=settings.query_limit_bytes,
        lifespan=_lifespan(database, listener, followups, settings),
    )
    named = ports(
        database,
        listener,
        followups=followups,
        queue_limit=settings.posting_queue_limit,
        free_guesses=settings.login_free_guesses,
        webhook_rules=settings.webhook_rules,
    )
    return build(CONTROLLERS, named, outside)


def _database(settings: Settings) -> Database:
    assert settings.database_url is not None
    return Database(
        settings.database_url,
        size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
        lock_timeout_ms=settings.lock_timeout_ms,
        acquire_timeout=settings.pool_wait_ms / 1000,
    )


def _rates(settings: Settings) -> Rates:
    return Rates(
        of_caller={
            RateClass.READ: settings.rate_limit_read,
            RateClass.WRITE: settings.rate_limit_write,
            RateClass.HEAVY: settings.rate_limit_heavy,
        },
        of_tenant={
            RateClass.READ: settings.rate_limit_tenant_read,
            RateClass.WRITE: settings.rate_limit_tenant_write,
            RateClass.HEAVY: settings.rate_limit_tenant_heavy,
        },
    )


def ports(
    database: Database,
    revocations: AccessListener,
    *,
    followups: BackorderFollowups | None = None,
    queue_limit: int = 10_000,
    free_guesses: int = 5,
    webhook_rules: AddressRules | None = None,
) -> Mapping[str, object]:
    """The areas' ports under the names that handlers ask for."""
    policy = LazyPolicy(SqlAccess(database))
    return {
        "analytics": SqlAnalyticsReads(database),
        "answers": SqlAnswers(database),
        "audit": SqlAuditReader(database),
        "availability": SqlAvailability(database),
        "availability_lines": SqlAvailabilityLines(database),
        "begin_catalog": beginning(database, SqlCatalogWork),
        "begin_channels": beginning(database, SqlChannelWork),
        "begin_claims": beginning(database, ClaimSqlWork),
        "begin_coded": beginning(database, CodedSqlWork),
        "begin_count_plans": beginning(database, PlanSqlWork),
        "begin_planned_counts": beginning(database, PlannedSqlWork),
        "begin_count_tasks": beginning(database, TaskSqlWork),
        "begin_counting": beginning(database, CountingSqlWork),
        "begin_count": beginning(database, CountSqlWork),
        "begin_record": beginning(database, RecordSqlWork),
        "begin_generating": beginning(database, GeneratingSqlWork),
        "begin_holds": beginning(database, HoldSqlWork),
        "begin_disposal": beginning(database, DisposalSqlWork),
        "begin_jobs": beginning(database, JobSqlWork),
        "begin_imports": beginning(database, ImportSqlWork),
        "begin_lots": beginning(database, LotPostingSqlWork),
        "begin_mappings": beginning(database, MappingSqlWork),
        "begin_put_away": beginning(database, PutAwaySqlWork),
        "begin_receiving": beginning(database, ReceivingSqlWork),
        "begin_stocklists": beginning(database, StocklistSqlWork),
        "begin_supplies": beginning(database, ReceivingSqlWork),
        "begin_setting": beginning(database, SettingSqlWork),
        "begin_settings": beginning(database, SqlSettingsWork),
        "begin_people": beginning(database, SqlPeopleWork),
        "begin_replenishment": beginning(database, ReplenishmentSqlWork),
        "begin_replenishment_config": beginning(database, ConfigSqlWork),
        "begin_rights": beginning(database, SqlRightsWork),
        "begin_requests": beginning(database, StockRequestSqlWork),
        "begin_tokens": beginning(database, SqlTokenWork),
        "begin_transfers": beginning(database, TransferSqlWork),
        "begin_webhook_tests": beginning(database, TestSqlWork),
        "begin_webhooks": beginning(database, WebhookSqlWork),
        "catalog": SqlCatalogQueries(database),
        "channel_drilldown": SqlDrillReads(database),
        "channel_matrix": SqlMatrixReads(database),
        "channel_queries": SqlChannelQueries(database),
        "channel_sums": SqlSummaryReads(database),
        "count_forms": SqlFormReads(database),
        "count_plans": SqlPlanReads(database),
        "count_tasks": SqlTaskReads(database),
        "config_reads": SqlConfigReads(database),
        "count_reader": SqlCountReader(database),
        "dashboard_reads": SqlDashboardReads(database),
        "deciders": SqlDeciders(database, SqlDelegations(database, policy)),
        "delegations": SqlDelegations(database, policy),
        "element_strings": Gs1ElementStrings(),
        "event_feed": SqlEventFeed(database),
        "expired_stock": SqlExpiredReader(database),
        "followups": followups or BackorderFollowups(database),
        "goods_reads": SqlGoodsReads(database),
        "hold_reads": SqlHoldReads(database),
        "history": SqlMovementReader(database),
        "integration_reads": SqlIntegrationReads(database),
        "import_reads": SqlImportReads(database),
        "invitations": SqlInvitations(database),
        "issue_reads": SqlIssueReads(database),
        "job_reads": SqlJobReads(database),
        "ledger": GroupedLedger(database, queue_limit=queue_limit),
        "login_throttle": SqlLoginThrottle(database, of_account(free_guesses)) if free_guesses else NoThrottle(),
        "lot_control": SqlLotControl(database),
        "lot_move_reads": SqlLotMoveReads(database),
        "mapping_reads": SqlMappingReads(database),
        "mappings": CachedMappings(database, listener=revocations),
        "pending_reads": SqlPendingReads(database),
        "people": SqlPeopleReads(database),
        "policy": policy,
        "put_away_reads": SqlPutAwayReads(database),
        "product_search": SqlProductSearch(database),
        "reference": CachedReference(database, listener=revocations),
        "replenishment_facts": SqlReplenishmentFacts(database),
        "replenishment_reads": SqlRecordReads(database),
        "revocations": revocations,
        "request_reads": SqlStockRequestReads(database),
        "request_lists": SqlRequestLists(database),
        "reversal_reads": SqlReversalReads(database),
        "review_reader": SqlReviewReader(database),
        "rights": SqlRightsReads(database),
        "settings": SqlSettingsReader(database),
        "stock": SqlStockReader(database),
        "stocklist_reads": SqlStocklistReads(database),
        "traces": SqlTraceReader(database),
        "supply_queries": SqlSupplyQueries(database),
        "transfer_bins": SqlTransferBins(database),
        "transfer_queries": SqlTransferQueries(database),
        "webhook_reads": SqlWebhookReads(database),
        "webhook_rules": webhook_rules or AddressRules(),
        "webhook_tests": SqlTestCalls(database, HttpCourier(webhook_rules or AddressRules())),
    }


def _lifespan(
    database: Database, listener: AccessListener, followups: BackorderFollowups, settings: Settings
) -> Callable[[Litestar], Any]:
    async def opened() -> CachedAuthenticator:
        await database.open()
        try:
            await refuse_unfit(database, production=settings.env is Environment.PRODUCTION)
            limits = SessionLimits(
                idle=timedelta(minutes=settings.session_idle_minutes),
                absolute=timedelta(hours=settings.session_absolute_hours),
            )
            return await CachedAuthenticator.connect(
                database, listener=listener, limits=limits, password_queue=settings.login_queue_limit
            )
        except BaseException:
            await database.close()
            raise

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        # A worker that gave up would take the others with it: the server ends when one cannot start.
        authenticator = await patiently(opened)
        try:
            await authenticator.start()
            app.state.authenticator = authenticator
            try:
                async with running(backgrounds(database, settings) if settings.jobs is Jobs.INSIDE else ()):
                    yield
            finally:
                await followups.finish()
                await authenticator.stop()
        finally:
            await database.close()

    return lifespan


def backgrounds(database: Database, settings: Settings) -> Sequence[Background]:
    """What a process does beside answering, or what a worker does alone."""
    assert settings.database_url is not None
    policy = LazyPolicy(SqlAccess(database))
    handlers: Mapping[str, JobHandler] = {
        **system_handlers(database, policy),
        **job_handlers(beginning(database, ImportSqlWork)),
    }
    worker = JobWorker(
        settings.database_url,
        Runner(SqlAttempts(database), SqlActors(database, policy), handlers),
        as_role=APP_ROLE,
        hands=settings.job_hands,
        heartbeat=timedelta(seconds=settings.job_lost_seconds),
    )
    scheduler = Scheduler(database, night_hour=settings.night_hour)
    regular = (scheduler,) if settings.schedules is Schedules.ON else ()
    return (worker, *regular, Dispatcher(database, policy, settings.webhook_rules))


async def _trouble(database: Database) -> str | None:
    try:
        return await schema_trouble(database)
    except Exception as error:  # noqa: BLE001 - readiness is an answer, never a fault
        return f"The database does not answer ({type(error).__name__})"


def configure_logging(settings: Settings) -> Mapping[str, Any]:
    """Log as the settings say; what the HTTP server needs to log alike."""
    chosen = resolve_format(settings.log_format.value, production=settings.env is Environment.PRODUCTION)
    configure_logs(chosen=chosen, level=settings.log_level)
    return log_config(chosen=chosen, level=settings.log_level)


def migrate(settings: Settings, to: str) -> None:
    """Bring the schema to a revision, as the owner."""
    url = settings.database_admin_url or settings.database_url
    assert url is not None
    migrations.upgrade(url, to)


async def has_demo(settings: Settings) -> bool:
    """Whether the demo tenant is there, whole."""
    from infra.demo.load import has_demo as there  # noqa: PLC0415 - the demo is no part of serving

    return await there(_admin(settings))


async def load_demo(
    settings: Settings,
    *,
    source: Path | None,
    days: int | None,
    progress: Callable[[str, int, int], None],
) -> Any:
    """Make the demo tenant and post its year."""
    from infra.demo.load import load  # noqa: PLC0415 - the demo is no part of serving

    assert settings.database_url is not None
    return await load(_admin(settings), settings.database_url, source=source, days=days, progress=progress)


async def verify_ledger(
    settings: Settings, *, tenant: str | None, progress: Callable[[str, int, int], None]
) -> Any:
    """Recompute every balance from the movements."""
    from infra.access.provision import find_tenant  # noqa: PLC0415 - only this command needs them
    from infra.ledger.verify import Progress, verify  # noqa: PLC0415

    tenant_id = None if tenant is None else await find_tenant(_admin(settings), tenant)
    if tenant is not None and tenant_id is None:
        raise not_found("tenant", tenant=tenant)

    def told(step: Progress) -> None:
        progress(step.step, step.done, step.of)

    return await verify(_admin(settings), tenant_id, told)


async def prune_audit(
    settings: Settings, *, tenant: str | None, progress: Callable[[str, int, int], None]
) -> Sequence[Any]:
    """Remove from the audit trail what its tenants no longer keep."""
    from infra.access.provision import find_tenant  # noqa: PLC0415 - only this command needs them
    from infra.access.pruning import prune  # noqa: PLC0415

    tenant_id = None if tenant is None else await find_tenant(_admin(settings), tenant)
    if tenant is not None and tenant_id is None:
        raise not_found("tenant", tenant=tenant)
    return await prune(_admin(settings), tenant_id, progress)


async def work(settings: Settings) -> None:
    """Do background jobs until told to stop."""
    assert settings.database_url is not None
    start_tracing()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    database = _database(settings)
    await patiently(database.open)
    try:
        async with running(backgrounds(database, settings)):
            await told.wait()
    finally:
        await database.close()


async def list_jobs(
    settings: Settings, *, tenant: str, state: str | None, dead: bool, limit: int
) -> Sequence[Any]:
    """A tenant's jobs, the newest first."""
    from infra.jobs import operating  # noqa: PLC0415 - only this command needs it

    assert settings.database_url is not None
    return await operating.list_jobs(
        settings.database_url, _admin(settings), tenant=tenant, state=state, dead=dead, limit=limit
    )


async def run_job(settings: Settings, *, tenant: str, type_: str) -> Any:
    """Ask for a tenant's regular work now."""
    from infra.jobs import operating  # noqa: PLC0415 - only this command needs it

    assert settings.database_url is not None
    return await operating.run_job(settings.database_url, _admin(settings), tenant=tenant, type_=type_)


def access_tools() -> Any:
    """What the commands for tenants, people and keys call."""
    from infra.access import operating  # noqa: PLC0415 - only these commands need it

    return operating


def backup_tools() -> Any:
    """What the commands for backup and restore call."""
    from infra.postgres import tools  # noqa: PLC0415 - only these commands need it

    return tools


async def examine(settings: Settings, *, embedded: bool) -> Sequence[Any]:
    """Look at everything that can be set up wrong."""
    from infra.doctor import examination  # noqa: PLC0415 - only this command needs it

    assert settings.database_url is not None
    return await examination.examine(
        examination.Surroundings(
            admin_url=_admin(settings),
            app_url=settings.database_url,
            archive=settings.db_archive,
            workers=settings.workers,
            pool_size=settings.pool_size,
            is_production=settings.is_production,
            is_embedded=embedded,
        )
    )


def _admin(settings: Settings) -> str:
    url = settings.database_admin_url or settings.database_url
    assert url is not None
    return url
