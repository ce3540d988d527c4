"""What the owner of an API key calls our fields: `/api/admin/api-keys/{id}/field-mapping`."""

from collections.abc import Sequence
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json
from domain.access.model import Act, Permission
from domain.access.ports import Policy, Revocations
from domain.errors import Reason
from domain.integrations.keys import set_mapping
from domain.integrations.mapping import FieldMapping
from domain.integrations.ports import MappingReads, MappingWork, StoredMapping


class SetFieldMapping(Body, frozen=True, kw_only=True):
    """`mapping` null takes it away. `expectedVersion` 0: there shall be none yet."""

    mapping: FieldMapping | None
    expected_version: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None


class FieldMappingView(Answer, frozen=True, kw_only=True):
    key_id: UUID
    mapping: FieldMapping | None
    version: int


class FieldMappingData(Answer, frozen=True, kw_only=True):
    data: FieldMappingView


class MappingUnit(MappingWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class FieldMappingController(Controller):
    path = "/api/admin/api-keys"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/{api_key_id:uuid}/field-mapping",
        operation="getFieldMapping",
        summary="Get the field mapping of an API key",
        permissions=Permission.ADMIN_APIKEYS,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        api_key_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        mapping_reads: NamedDependency[SkipValidation[MappingReads]],
    ) -> Json[FieldMappingData]:
        stored = await mapping_reads.mapping(act.tenant_id, api_key_id, act.scope)
        return Json(_shown(api_key_id, stored))

    @route(
        "PUT",
        "/{api_key_id:uuid}/field-mapping",
        operation="setFieldMapping",
        summary="Set the field mapping of an API key",
        permissions=Permission.ADMIN_APIKEYS,
        description="What a partner calls the fields of the integrations API, for requests and for the errors in "
        "them. `fields`: the partner's path → our field, with dots into objects and lists. `static`: our field → "
        "a value that is not sent. It counts at once, in every process.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.INVALID_TRANSITION, Reason.LOCATION_DENIED],
        example={
            "mapping": {
                "inventory": {
                    "fields": {
                        "items": "inventory",
                        "items.warehouse.bin": "inventory.location_code",
                        "items.item_no": "inventory.sku_code",
                        "items.qty": "inventory.quantity",
                    },
                    "static": {"source": "erp_sync"},
                }
            }
        },
    )
    async def change(
        self,
        *,
        api_key_id: FromPath[UUID],
        data: JSONBody[SetFieldMapping],
        act: NamedDependency[SkipValidation[Act]],
        begin_mappings: NamedDependency[SkipValidation[Begin[MappingUnit]]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[FieldMappingData]:
        async def do(work: MappingUnit) -> FieldMappingData:
            stored = await set_mapping(
                work,
                policy,
                act=act,
                key_id=api_key_id,
                mapping=data.mapping,
                expected_version=data.expected_version,
            )
            return _shown(api_key_id, stored)

        answer = await once(begin_mappings, act, do)
        await revocations.confirm()
        return answer


def _shown(key_id: UUID, stored: StoredMapping) -> FieldMappingData:
    return FieldMappingData(data=FieldMappingView(key_id=key_id, mapping=stored.mapping, version=stored.version))
