"""Imports and refreshes as jobs: enqueue one with the arguments that these functions make."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from domain.imports.csv import Layout
from domain.imports.model import Options, RefreshScope
from domain.imports.ports import BeginImports
from domain.jobs.ports import JobHandler

STEPS = 4


def import_arguments(*, layout: Layout, options: Options, file_name: str) -> dict[str, Any]:
    """For a job of type `ImportType.IMPORT`; its input is stored in the same transaction (`store_input`)."""
    raise NotImplementedError


def refresh_arguments(
    *,
    layout: Layout,
    options: Options,
    file_name: str,
    scope: RefreshScope,
    max_change_percent: Decimal | None,
) -> dict[str, Any]:
    """For a job of type `ImportType.REFRESH`; its input is stored in the same transaction (`store_input`)."""
    raise NotImplementedError


def job_handlers(begin: BeginImports) -> Mapping[str, JobHandler]:
    """The handlers of both types, for the composition root."""
    raise NotImplementedError
