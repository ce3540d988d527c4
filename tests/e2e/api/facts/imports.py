"""What has been imported: a record here, and one at the other location."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from domain.imports.model import Options, Record
from domain.imports.service import process
from domain.values import new_id
from infra.imports.work import ImportSqlWork
from tests.ledger.builders import an_act

ELSEWHERE: tuple[tuple[str, str], ...] = (("jobLogId", "elsewhereJobLogId"),)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    act = an_act(tenant_id)
    work = ImportSqlWork(admin, act)  # type: ignore[arg-type] # a connection is what a proxy stands for
    made = {}
    for name, bin_name in (("jobLogId", facts["binName"]), ("elsewhereJobLogId", facts["elsewhereBinName"])):
        job_id = new_id()
        record = Record(
            row=0,
            item_name=facts["itemName"],
            bin_name=bin_name,
            lot_name="",
            date_filled=date(2025, 12, 24),
            quantity=Decimal(6),
            uom=facts["uomName"],
        )
        options = Options(allow_record_creation=True, allow_record_update=True, should_continue_on_error=False)
        async with admin.transaction():
            result = await process(
                work,
                act=act,
                job_id=job_id,
                records=[record],
                options=options,
                description=f"Import of {facts['mark']}",
            )
        assert result.is_applied, result.errors
        made[name] = str(job_id)
    return {**made, "fileName": "inventory_staging.csv"}
