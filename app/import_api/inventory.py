"""Inventory in batches: `/{tenant}/api/v1/inventory`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Work, act_of, once
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json
from app.import_api.answers import accepted, deleted, imported, kept_back
from app.import_api.bodies import (
    AcceptedAnswer,
    DeleteAnswer,
    DeleteBody,
    FileArguments,
    ImportAnswer,
    ImportBody,
    RefreshBody,
    RefusedAnswer,
    ScopeBody,
    field_of,
    layout_of,
    percent,
    percent_of,
)
from app.import_api.document import ImportOperation, RefreshOperation
from app.import_api.uploads import FORM_BYTES_MAX, Upload, is_form, read_json, uploaded
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.imports.csv import TOO_LARGE, Layout, inspect_csv, parse_csv
from domain.imports.model import (
    RECORDS_MAX,
    REFRESH_RECORDS_MAX,
    BadRecord,
    ImportResult,
    ImportType,
    Options,
    Record,
    RefreshScope,
)
from domain.imports.ports import ImportWork
from domain.imports.records import read_payload
from domain.imports.running import STEPS, import_arguments, refresh_arguments
from domain.imports.service import batch_delete, process, refresh
from domain.values import new_id

DryRun = Annotated[
    bool, QueryParameter(name="dry_run", description="Tell what would become of each record, and change nothing.")
]
REFRESH_FIELDS = frozenset({"arguments", "field_mappings", "max_change_percent", "scope"})
_ERRORS = [
    Reason.INSUFFICIENT_STOCK,
    Reason.LOCATION_DENIED,
    Reason.PAYLOAD_TOO_LARGE,
    Reason.POSITION_FROZEN,
    Reason.UNSUPPORTED_MEDIA_TYPE,
]
EXAMPLE = {
    "source": "api",
    "arguments": {"allow_record_creation": True, "allow_record_update": True, "should_continue_on_error": False},
    "payload": [
        {
            "item_name": "{itemName}",
            "bin_name": "{binName}",
            "lot_name": "",
            "date_filled": "2026-01-31",
            "quantity": 12.5,
            "uom": "{uomName}",
        }
    ],
}

type Records = Sequence[Record | BadRecord]
type Outcome = ImportAnswer | RefusedAnswer | AcceptedAnswer


class ImportUnit(ImportWork, Work, Protocol):
    """Imports in one transaction, with idempotency beside the effect."""


type BeginImports = Callable[[Act], AbstractAsyncContextManager[ImportUnit]]


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh replaces, and how much of it at most."""

    scope: RefreshScope
    max_change_percent: Decimal | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An import, or with something to be replaced a refresh."""

    tenant: str
    options: Options
    replaced: Replaced | None = None

    @property
    def description(self) -> str:
        return "Inventory Import" if self.replaced is None else "Inventory Refresh"

    @property
    def records_max(self) -> int:
        return RECORDS_MAX if self.replaced is None else REFRESH_RECORDS_MAX

    async def done(self, work: ImportUnit, act: Act, job_id: UUID, records: Records) -> ImportResult:
        if self.replaced is None:
            return await process(
                work,
                act=act,
                job_id=job_id,
                records=records,
                options=self.options,
                description=self.description,
            )
        return await refresh(
            work,
            act=act,
            job_id=job_id,
            records=records,
            options=self.options,
            scope=self.replaced.scope,
            max_change_percent=self.replaced.max_change_percent,
            description=self.description,
        )

    async def asked(self, work: ImportUnit, job_id: UUID, upload: Upload, layout: Layout) -> AcceptedAnswer:
        """Ask for it as a job: the file is kept with it."""
        if self.replaced is None:
            type_ = ImportType.IMPORT
            arguments = import_arguments(layout=layout, options=self.options, file_name=upload.file_name)
        else:
            type_ = ImportType.REFRESH
            arguments = refresh_arguments(
                layout=layout,
                options=self.options,
                file_name=upload.file_name,
                scope=self.replaced.scope,
                max_change_percent=self.replaced.max_change_percent,
            )
        await work.enqueue(type_, arguments, description=self.description, id_=job_id, total_steps=STEPS)
        await work.store_input(job_id, upload.file_name, upload.content)
        return accepted(self.tenant, job_id, self.description)


async def at_once(begin: BeginImports, act: Act, wanted: Wanted, records: Records) -> Json[Outcome]:
    """Do it before the answer. Where bad rows keep everything back, the refusal is what is committed."""
    job_id, dry_run = new_id(), wanted.options.dry_run

    async def do(work: ImportUnit) -> Outcome:
        result = await wanted.done(work, act, job_id, records)
        if result.is_applied or dry_run:
            return imported(wanted.tenant, result, dry_run=dry_run)
        return kept_back(wanted.tenant, result)

    if dry_run:  # nothing is done that could be done twice
        act = msgspec.structs.replace(act, idempotency=None)
    return await once(begin, act, do, status=_status)


def _status(outcome: Outcome) -> int:
    return HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(outcome, RefusedAnswer) else HTTPStatus.OK


async def from_file(
    begin: BeginImports, act: Act, wanted: Wanted, upload: Upload, layout: Layout
) -> Json[Outcome]:
    """Refuse a file that cannot be read; have one that can be worked off, or tried at once."""
    if wanted.options.dry_run:
        records = await upload.read(parse_csv, layout=layout, max_records=wanted.records_max)
        return await at_once(begin, act, wanted, records)
    await upload.read(inspect_csv, layout=layout, max_records=wanted.records_max)
    job_id = new_id()

    async def do(work: ImportUnit) -> Outcome:
        return await wanted.asked(work, job_id, upload, layout)

    return await once(begin, act, do, status=HTTPStatus.ACCEPTED)


class ImportInventoryController(Controller):
    path = "/{tenant:str}/api/v1/inventory"
    tags: Sequence[str] | None = ("Import",)

    @route(
        "POST",
        "/import/process",
        operation="processImport",
        summary="Import inventory (JSON or CSV)",
        permissions=Permission.IMPORTS_WRITE,
        errors=_ERRORS,
        surface=Surface.IMPORT,
        too_large=TOO_LARGE,
        request_max_body_size=FORM_BYTES_MAX,
        operation_class=ImportOperation,
        description=f"At most {RECORDS_MAX} records: as JSON, which is answered with the outcome (200), or as a "
        "CSV file in a form, which is queued (202; its status tells the outcome). A record is told by item, bin, "
        "lot and date filled. Bad records are told with their rows (from 0 in JSON, from 1 below the header of a "
        "file). With `should_continue_on_error` the good ones stand all the same; without, nothing is written "
        "(422, with what is wrong). `dry_run` answers at once for both, with a row for each record.",
        example=EXAMPLE,
    )
    async def process(
        self,
        *,
        tenant: FromPath[str],
        request: Request[Any, Any, Any],
        begin_imports: NamedDependency[SkipValidation[BeginImports]],
        dry_run: DryRun = False,
    ) -> Json[Outcome]:
        if not is_form(request):
            body, meaning = await read_json(request, ImportBody)
            wanted = Wanted(tenant=tenant, options=body.arguments.options(dry_run=dry_run))
            act = await act_of(request, Permission.IMPORTS_WRITE, meaning=meaning)
            return await at_once(begin_imports, act, wanted, read_payload(body.records(RECORDS_MAX)))
        async with uploaded(request, fields={"arguments", "field_mappings"}) as upload:
            arguments = field_of(upload.texts, "arguments", FileArguments)
            wanted = Wanted(tenant=tenant, options=arguments.options(dry_run=dry_run))
            act = await act_of(request, Permission.IMPORTS_WRITE, meaning=upload.meaning)
            return await from_file(begin_imports, act, wanted, upload, layout_of(arguments, upload.texts))

    @route(
        "POST",
        "/refresh",
        operation="refreshInventory",
        summary="Replace inventory",
        permissions=Permission.IMPORTS_WRITE,
        errors=_ERRORS,
        surface=Surface.IMPORT,
        too_large=TOO_LARGE,
        request_max_body_size=FORM_BYTES_MAX,
        operation_class=RefreshOperation,
        description="What is in the upload is set, and all else in the scope is taken out, in one transaction: "
        f"nobody ever sees the stock half replaced. Up to {RECORDS_MAX} records as JSON (200), and up to "
        f"{REFRESH_RECORDS_MAX} in a file (202). Nothing is changed where more would change than "
        "`max_change_percent`. Otherwise as an import.",
        example={**EXAMPLE, "scope": {"items": ["{itemName}"], "bins": ["{binName}"]}},
    )
    async def refresh(
        self,
        *,
        tenant: FromPath[str],
        request: Request[Any, Any, Any],
        begin_imports: NamedDependency[SkipValidation[BeginImports]],
        dry_run: DryRun = False,
    ) -> Json[Outcome]:
        if not is_form(request):
            body, meaning = await read_json(request, RefreshBody)
            replaced = Replaced(scope=body.scope.scope(), max_change_percent=percent(body.max_change_percent))
            wanted = Wanted(tenant=tenant, options=body.arguments.options(dry_run=dry_run), replaced=replaced)
            act = await act_of(request, Permission.IMPORTS_WRITE, meaning=meaning)
            return await at_once(begin_imports, act, wanted, read_payload(body.records(RECORDS_MAX)))
        async with uploaded(request, fields=REFRESH_FIELDS) as upload:
            arguments = field_of(upload.texts, "arguments", FileArguments)
            wanted = Wanted(
                tenant=tenant,
                options=arguments.options(dry_run=dry_run),
                replaced=Replaced(
                    scope=field_of(upload.texts, "scope", ScopeBody).scope(),
                    max_change_percent=percent_of(upload.texts),
                ),
            )
            act = await act_of(request, Permission.IMPORTS_WRITE, meaning=upload.meaning)
            return await from_file(begin_imports, act, wanted, upload, layout_of(arguments, upload.texts))

    @route(
        "POST",
        "/batch-delete",
        operation="batchDeleteInventory",
        summary="Batch delete inventory",
        permissions=Permission.IMPORTS_WRITE,
        errors=[Reason.LOCATION_DENIED, Reason.POSITION_FROZEN],
        surface=Surface.IMPORT,
        description="By rows (what is named in a row is all meant, the rows are alternatives), or by filters "
        "(alternatives within each, all of them together); rows win where both are sent, and one of them is "
        "needed. Names that are not known match nothing. What is deleted is taken out of the stock by a posting "
        "of its own, so the history stays, and can be taken back (undo). Held or reserved stock is refused, "
        "record by record, unless `force` is given by a caller who holds `inventory.adjust`.",
        example={"rows": [{"item": "{itemName}", "bin": "{binName}", "date_filled": "2020-02-29"}]},
    )
    async def batch_delete(
        self,
        *,
        tenant: FromPath[str],
        data: JSONBody[DeleteBody],
        act: NamedDependency[SkipValidation[Act]],
        begin_imports: NamedDependency[SkipValidation[BeginImports]],
    ) -> Json[DeleteAnswer]:
        job_id, filters = new_id(), data.filters()
        rows = [row.row() for row in data.rows or ()]

        async def do(work: ImportUnit) -> DeleteAnswer:
            result = await batch_delete(work, act=act, job_id=job_id, rows=rows, filters=filters, force=data.force)
            return deleted(tenant, result)

        return await once(begin_imports, act, do)
