"""A tenant that has something of everything, like the demonstration's: what examples and tests name by `{fact}`.

Every text that it stores carries its mark, so that one tenant's data in another's answer is seen at a glance.
"""

import datetime as dt
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.credentials import (
    csrf_token,
    hash_of,
    last4_of,
    new_api_key,
    new_import_token,
    new_invitation_token,
    new_session_token,
    prefix_of,
)
from domain.access.model import Permission
from domain.expiry.destruction import DestructionLine
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.access.passwords import hash_password
from infra.db.pool import BIND
from infra.db.work import encoded
from infra.ledger.post import post
from tests.e2e.api.facts import ALWAYS, MORE_ELSEWHERE, MORE_SYNONYMS, furnishing
from tests.ledger.builders import an_act

PASSWORD = "correct horse battery staple"
COOKIE = "storekeeper_session"
ROLES = ("viewer", "requester", "operator", "counter", "controller", "supervisor", "planner", "manager", "admin")
STOCK = Decimal(1000)

_HASH = hash_password(PASSWORD)  # slow on purpose, so once for all

SYNONYMS = {
    **MORE_SYNONYMS,
    "productId": "productMasterId",
    "transactionLineId": "inventoryItemId",
    "itemId": "inventoryItemId",
    "lineId": "inventoryItemId",
    "preferredBinId": "binId",
    "fromBinId": "binId",
    "toBinId": "otherBinId",
    "sourceLocationId": "otherLocationId",
    "fromUomId": "otherUomId",
    "toUomId": "uomId",
    "conversionId": "uomConversionId",
    "parentId": "categoryId",
    "fromLotId": "lotId",
    "toLotId": "otherLotId",
    "wrongLotId": "lotId",
    "rightLotId": "otherLotId",
    "reasonId": "reasonCodeId",
    "postingId": "transactionId",
    "actorId": "userId",
    "toUserId": "userId",
    "entityId": "transactionId",
    "taskId": "countableTaskId",
    "assigneeId": "userId",
    "targetBinId": "quarantineBinId",
    "targetLocationId": "otherLocationId",
}
"""Names of ids in routes that mean what a fact of another name says."""

ELSEWHERE = (
    *MORE_ELSEWHERE,
    ("locationId", "otherLocationId"),
    ("areaId", "otherAreaId"),
    ("binId", "elsewhereBinId"),
    ("otherBinId", "elsewhereBinId"),
    ("inventoryItemId", "elsewhereItemId"),
    ("lottedInventoryItemId", "elsewhereLottedItemId"),
    ("transactionId", "elsewhereTransactionId"),
    ("invitationId", "elsewhereInvitationId"),
    ("apiKeyId", "elsewhereApiKeyId"),
    ("policyId", "elsewherePolicyId"),
    ("supplyId", "elsewhereSupplyId"),
    ("reservationId", "elsewhereReservationId"),
    ("holdId", "elsewhereHoldId"),
    ("expiredInventoryItemId", "elsewhereExpiredItemId"),
    ("quarantineBinId", "elsewhereQuarantineBinId"),
    ("destructionId", "elsewhereDestructionId"),
)
"""Facts that stand at a location, and their like at the other one."""
ELSEWHERE_CODES = ("SHOP", "FLOOR", "SHELF", "CELL")
"""What the other location, its area and its bins are called."""


def known_as(name: str) -> str:
    """The fact that a parameter or a field of this name asks for."""
    camel = re.sub(r"_(\w)", lambda m: m[1].upper(), name)
    return SYNONYMS.get(camel, camel)


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant. `facts` are texts by the names that the wire uses."""

    tenant_id: UUID
    slug: str
    mark: str
    facts: dict[str, str]
    password_hash: str = _HASH

    def fact(self, name: str) -> str:
        """The fact that a parameter or field of this name asks for.

        Raises:
            KeyError: there is none yet: add one here.
        """
        known = known_as(name)
        if known not in self.facts:
            raise KeyError(f"tests/e2e/api/company.py knows no fact {name!r}: add it there")
        return self.facts[known]

    def spare(self, name: str) -> str:
        """The same kind of thing, but one that nothing refers to, fit to be deleted."""
        known = known_as(name)
        return self.facts.get(f"spare{known[0].upper()}{known[1:]}") or self.fact(name)

    def fill(self, value: Any) -> Any:
        """A declared example with its `{name}` places filled in."""
        if isinstance(value, str):
            return re.sub(r"\{([a-z]\w*)\}", lambda m: self.fact(m[1]), value)
        if isinstance(value, Mapping):
            return {name: self.fill(item) for name, item in value.items()}
        if isinstance(value, Sequence):
            return [self.fill(item) for item in value]
        return value

    def path(self, template: str, *, spare: bool = False) -> str:
        """A path with the tenant's ids in its places."""
        pick = self.spare if spare else self.fact
        return re.sub(r"\{(\w+)\}", lambda m: pick(m[1]), template)

    def elsewhere(self) -> "Company":
        """The same tenant as seen from its other location: every fact that stands in a place stands there."""
        return msgspec.structs.replace(
            self, facts=self.facts | {here: self.facts[there] for here, there in ELSEWHERE}
        )

    @property
    def telling(self) -> frozenset[bytes]:
        """What must never be seen by another tenant: the mark, and every id."""
        ids = {value for name, value in self.facts.items() if name.endswith("Id")}
        return frozenset(text.encode() for text in {self.mark, str(self.tenant_id), *ids})


async def found_company(
    admin: "asyncpg.Connection[Any]", slug: str, *, has_documents: bool = True, about: str | None = None
) -> Company:
    """Make one, with stock, history, people and keys, and documents in their states; the same shape each time.

    `about` is an address: only what its routes need is made then.
    """
    mark = f"{slug}{secrets.token_hex(4)}"
    ids = {name: new_id() for name in _IDS}
    company = Company(
        tenant_id=new_id(),
        slug=slug,
        mark=mark,
        facts={
            **{name: str(value) for name, value in ids.items()},
            "tenant": slug,
            "mark": mark,
            "email": f"admin@{mark}.example",
            "password": PASSWORD,
            "lotNumber": f"L1-{mark}",
            "otherLotNumber": f"L2-{mark}",
            "sku": f"BOLT-{mark}",
            "itemName": f"BOLT of {mark}",
            "binName": f"MAIN of {mark}",
            "elsewhereBinName": f"SHELF of {mark}",
            "uomName": f"EA of {mark}",
            "rightLotNumber": f"L2-{mark}",
            "rightLotExpiryDate": _expiry().isoformat(),
            "name": "swagger-ui.css",
            "roleCode": f"picker-{mark}",
            "spareRoleCode": f"packer-{mark}",
            "invitationToken": new_invitation_token(),
            "newPassword": f"seven {mark} otters swim upstream",
        },
    )
    await bind(admin, company)
    async with admin.transaction():
        await admin.execute(
            "INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $3)", company.tenant_id, slug, f"Tenant {mark}"
        )
        for table, rows in _rows(company, ids).items():
            for row in rows:
                await insert(admin, table, {"tenant_id": company.tenant_id, **row})
    await _stock(admin, company, ids)
    for name, place, item in (
        ("reservationId", "locationId", "inventoryItemId"),
        ("elsewhereReservationId", "otherLocationId", "elsewhereItemId"),
    ):
        await _reserve(admin, company, ids[name], location_id=ids[place], line=company.facts[item])
    for name, item in (("holdId", "inventoryItemId"), ("elsewhereHoldId", "elsewhereItemId")):
        await _hold(admin, company, ids[name], line=company.facts[item])
    for name, location, bin_, item in (
        ("destructionId", "locationId", "quarantineBinId", "expiredInventoryItemId"),
        ("elsewhereDestructionId", "otherLocationId", "elsewhereQuarantineBinId", "elsewhereExpiredItemId"),
    ):
        await _put_aside(admin, company, ids[name], location=location, bin_=bin_, item=item)
    user_id = await add_user(admin, company, "admin", email=company.facts["email"])
    company.facts["sessionId"] = str((await begin_session(admin, company, user_id)).id)
    company.facts["tokenId"] = (await add_token(admin, company, user_id)).partition("|")[0]
    company.facts["userId"] = str(await add_user(admin, company, "viewer"))
    await add_user(admin, company, "viewer", location_id=ids["otherLocationId"])
    now: dt.datetime = await admin.fetchval("SELECT now()")
    company.facts["tomorrow"] = (now + dt.timedelta(days=1)).isoformat()
    company.facts["nextWeek"] = (now + dt.timedelta(days=7)).isoformat()
    await _invite(admin, company, ids, user_id, until=now + dt.timedelta(days=1))
    await _delegate(admin, company, ids["delegationId"], user_id, since=now - dt.timedelta(days=1))
    for furnish in furnishing(about) if has_documents else ALWAYS:
        company.facts.update(await furnish(admin, company.tenant_id, company.facts))
    for name, place in (("apiKeyId", "locationId"), ("elsewhereApiKeyId", "otherLocationId")):
        await add_key(admin, company, ["inventory.read"], location_ids=[ids[place]], key_id=ids[name])
    return company


_IDS = (
    *("productMasterId", "lotProductId", "unstockedProductMasterId", "spareProductMasterId"),
    *("uomId", "otherUomId", "spareUomId", "uomConversionId", "spareUomConversionId"),
    *("categoryId", "spareCategoryId"),
    *("locationId", "otherLocationId", "spareLocationId"),
    *("areaId", "otherAreaId", "spareAreaId"),
    *("binId", "otherBinId", "spareBinId", "elsewhereBinId"),
    *("lotId", "otherLotId", "spareLotId", "defaultLotId"),
    *("invitationId", "elsewhereInvitationId", "delegationId"),
    *("expiredLotId", "quarantineBinId", "elsewhereQuarantineBinId"),
    *("destructionId", "elsewhereDestructionId"),
    *("reasonCodeId",),
    *("apiKeyId", "elsewhereApiKeyId"),
    *("reservationId", "elsewhereReservationId"),
    *("holdId", "elsewhereHoldId"),
    *("channelId", "otherChannelId", "policyId", "elsewherePolicyId", "supplyId", "elsewhereSupplyId"),
)


def _expiry() -> dt.date:
    return dt.date.fromordinal(dt.date.today().toordinal() + 400)  # noqa: DTZ011 - far from any day that matters


def _rows(company: Company, ids: Mapping[str, UUID]) -> dict[str, list[dict[str, object]]]:
    mark, expires = company.mark, _expiry()

    def thing(name: str, code: str, **more: object) -> dict[str, object]:
        return {"id": ids[name], "code": f"{code}-{mark}", "name": f"{code} of {mark}", **more}

    def product(name: str, sku: str, **more: object) -> dict[str, object]:
        named = {"id": ids[name], "sku": f"{sku}-{mark}", "name": f"{sku} of {mark}", "uom_id": ids["uomId"]}
        return {**named, "category_id": ids["categoryId"], "unit_cost": Decimal("1.25"), **more}

    def lot(name: str, product_name: str, number: str, **more: object) -> dict[str, object]:
        return {"id": ids[name], "product_id": ids[product_name], "number": number, **more}

    def place(name: str, code: str, location: str, **more: object) -> dict[str, object]:
        return thing(name, code, location_id=ids[location], **more)

    warehouse = {"type": "WAREHOUSE", "time_zone": "UTC", "capabilities": ["RECEIVES", "SHIPS", "PICKS", "COUNTS"]}
    return {
        "ledger_heads": [{}],
        "roles": [{"code": f"{name}-{mark}", "name": f"{name} of {mark}"} for name in ("picker", "packer")],
        "role_permissions": [{"role": f"picker-{mark}", "permission": "inventory.write"}],
        "reason_codes": [thing("reasonCodeId", "FOUND", direction="BOTH", pack="general")],
        "categories": [thing("categoryId", "GOODS"), thing("spareCategoryId", "OTHERS")],
        "uoms": [thing("uomId", "EA", decimals=4), thing("otherUomId", "BOX"), thing("spareUomId", "CASE")],
        "products": [
            product("productMasterId", "BOLT"),
            product("lotProductId", "MILK", is_lot_controlled=True, is_expiry_required=True),
            product("unstockedProductMasterId", "NEW"),
            product("spareProductMasterId", "SPARE"),
        ],
        "uom_conversions": [
            {
                "id": ids["uomConversionId"],
                "from_uom_id": ids["otherUomId"],
                "to_uom_id": ids["uomId"],
                "factor": Decimal(12),
            },
            {
                "id": ids["spareUomConversionId"],
                "product_id": ids["spareProductMasterId"],
                "from_uom_id": ids["otherUomId"],
                "to_uom_id": ids["uomId"],
                "factor": Decimal(24),
            },
        ],
        "locations": [
            thing("locationId", "DC", **warehouse),
            thing("otherLocationId", "SHOP", **warehouse),
            thing("spareLocationId", "YARD", **warehouse),
        ],
        "areas": [
            place("areaId", "HALL", "locationId"),
            place("otherAreaId", "FLOOR", "otherLocationId"),
            place("spareAreaId", "ROOF", "locationId"),
        ],
        "bins": [
            place("binId", "MAIN", "locationId", area_id=ids["areaId"], is_default=True),
            place("otherBinId", "PICK", "locationId", type="PICKING"),
            place("spareBinId", "EMPTY", "locationId"),
            place("elsewhereBinId", "SHELF", "otherLocationId", is_default=True),
            place("quarantineBinId", "CAGE", "locationId", type="QUARANTINE"),
            place("elsewhereQuarantineBinId", "CELL", "otherLocationId", type="QUARANTINE"),
            {**place("spareBinId", "GROUND", "spareLocationId", is_default=True), "id": new_id()},
        ],
        "lots": [
            lot("lotId", "lotProductId", company.facts["lotNumber"], expires_on=expires),
            lot("otherLotId", "lotProductId", company.facts["otherLotNumber"], expires_on=expires),
            lot("expiredLotId", "lotProductId", f"L0-{mark}", expires_on=dt.date(2025, 12, 31)),
            lot("spareLotId", "lotProductId", f"L3-{mark}", expires_on=expires),
            lot("defaultLotId", "productMasterId", "", is_default=True),
            {"id": new_id(), "product_id": ids["unstockedProductMasterId"], "number": "", "is_default": True},
        ],
        "channels": [thing("channelId", "WEB", type="DTC"), thing("otherChannelId", "TRADE", type="WHOLESALE")],
        "channel_locations": [
            {"channel_id": ids[channel], "location_id": ids[location]}
            for channel in ("channelId", "otherChannelId")
            for location in ("locationId", "otherLocationId")
        ],
        "channel_policies": [
            {
                "id": ids[policy],
                "channel_id": ids["otherChannelId"],
                "location_id": ids[location],
                "fence": Decimal(20),
                "low_threshold": Decimal(2000),
            }
            for policy, location in (("policyId", "locationId"), ("elsewherePolicyId", "otherLocationId"))
        ],
        "supplies": [
            {
                "id": ids[supply],
                "product_id": ids["productMasterId"],
                "location_id": ids[location],
                "quantity": Decimal(40),
                "due_on": _expiry(),
                "source_id": f"PO-{mark}",
            }
            for supply, location in (("supplyId", "locationId"), ("elsewhereSupplyId", "otherLocationId"))
        ]
        + [
            {
                "id": new_id(),
                "product_id": ids["lotProductId"],
                "location_id": ids[location],
                "quantity": Decimal(1),
                "due_on": dt.date(2026, 1, 1),
                "source_id": f"LATE-{mark}",
            }
            for location in ("locationId", "otherLocationId")
        ],
        "stock_levels": [
            {"product_id": ids["productMasterId"], "location_id": ids["locationId"], "min_qty": Decimal(10)}
        ],
    }


async def _stock(admin: "asyncpg.Connection[Any]", company: Company, ids: Mapping[str, UUID]) -> None:
    """Stock on four lines, and a history: what came in, what was adjusted, what was counted."""
    places = {
        "inventoryItemId": ("productMasterId", "locationId", "binId", "defaultLotId"),
        "lottedInventoryItemId": ("lotProductId", "locationId", "binId", "lotId"),
        "otherLotItemId": ("lotProductId", "locationId", "binId", "otherLotId"),
        "elsewhereItemId": ("productMasterId", "otherLocationId", "elsewhereBinId", "defaultLotId"),
        "elsewhereLottedItemId": ("lotProductId", "otherLocationId", "elsewhereBinId", "lotId"),
        "expiredInventoryItemId": ("lotProductId", "locationId", "binId", "expiredLotId"),
        "elsewhereExpiredItemId": ("lotProductId", "otherLocationId", "elsewhereBinId", "expiredLotId"),
    }

    async def posted(
        kind: Kind, item: str, delta: Decimal, *, of: Mapping[str, Any] | None = None, **entry: Any
    ) -> Posted:
        product, location, bin_, lot = (ids[name] for name in places[item])
        posting = Posting(
            id=new_id(),
            kind=kind,
            act=act,
            comment=f"posted for {company.mark}",
            source_type=f"DOCUMENT-{company.mark}" if of is None else "RECORD_STOCK",
            source_id=f"NO-{item}-{company.mark}",
            details=of,
            unchanged_ok=of is not None,
            entries=(
                Entry(
                    kind=kind,
                    product_id=product,
                    location_id=location,
                    bin_id=bin_,
                    lot_id=lot,
                    delta=delta,
                    comment=f"moved for {company.mark}",
                    **entry,
                ),
            ),
        )
        (answer,) = await post(admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for
        assert isinstance(answer, Posted), answer
        return answer

    act = an_act(company.tenant_id)
    act = msgspec.structs.replace(act, caller=msgspec.structs.replace(act.caller, actor=f"Clerk {company.mark}"))
    await admin.execute(BIND, str(company.tenant_id))
    for item in places:
        opened = await posted(Kind.OPENING, item, STOCK)
        company.facts[item] = str(opened.movements[0].line_id)
    received = await posted(Kind.RECEIPT, "inventoryItemId", Decimal(7))
    company.facts["transactionId"] = str(received.posting_id)
    elsewhere = await posted(Kind.RECEIPT, "elsewhereItemId", Decimal(5))
    company.facts["elsewhereTransactionId"] = str(elsewhere.posting_id)
    for item in ("inventoryItemId", "elsewhereItemId"):
        reason: dict[str, Any] = {
            "reason_code_id": ids["reasonCodeId"],
            "root_cause": f"because of {company.mark}",
        }
        await posted(Kind.ADJUSTMENT, item, Decimal(-2), **reason)
    for item in ("lottedInventoryItemId", "elsewhereLottedItemId"):
        product, location, bin_, lot = places[item]
        counted = {
            "inventoryItemId": company.facts[item],
            "binId": ids[bin_],
            "lotId": ids[lot],
            "lotNumber": company.facts["lotNumber"],
            "expiryDate": _expiry(),
            "newQty": STOCK,
            "qtyBefore": STOCK,
            "deltaQty": 0,
            "listed": True,
        }
        what = {"productMasterId": ids[product], "locationId": ids[location], "complete": False}
        when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        await posted(Kind.COUNT, item, Decimal(0), of={**what, "countedAt": when, "lines": [counted]})


async def _put_aside(
    admin: "asyncpg.Connection[Any]", company: Company, id_: UUID, *, location: str, bin_: str, item: str
) -> None:
    """One piece of expired stock that waits for its destruction."""
    line_id, product = UUID(company.facts[item]), UUID(company.facts["lotProductId"])
    place, lot = UUID(company.facts[location]), UUID(company.facts["expiredLotId"])
    target = UUID(company.facts[bin_])
    into = Entry(
        kind=Kind.TRANSFER_IN, product_id=product, location_id=place, bin_id=target, lot_id=lot, delta=Decimal(1)
    )
    out = Entry(kind=Kind.TRANSFER_OUT, line_id=line_id, delta=Decimal(-1))
    posting = Posting(id=new_id(), kind=Kind.TRANSFER_OUT, entries=(out, into), source_type="DESTRUCTION")
    (moved,) = await post(admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for
    assert isinstance(moved, Posted), moved
    line = DestructionLine(
        inventory_item_id=line_id,
        target_inventory_item_id=moved.movements[1].line_id,
        product_master_id=product,
        global_sku=f"MILK-{company.mark}",
        lot_id=lot,
        lot_number=f"L0-{company.mark}",
        expiry_date=dt.date(2025, 12, 31),
        bin_id=target,
        bin_code=f"MAIN-{company.mark}",
        target_location_id=place,
        target_bin_id=target,
        target_bin_code=f"CAGE-{company.mark}",
        quantity=Decimal(1),
        unit_cost=Decimal("1.25"),
    )
    row = {
        "tenant_id": company.tenant_id,
        "id": id_,
        "location_id": place,
        "lines": encoded([line]),
        "note": f"Put aside in {company.mark}",
        "transfer_posting_id": moved.posting_id,
        "actor": f"Clerk {company.mark}",
    }
    await insert(admin, "destructions", row)


async def _reserve(
    admin: "asyncpg.Connection[Any]", company: Company, id_: UUID, *, location_id: UUID, line: str
) -> None:
    claim = {
        "id": id_,
        "group_id": new_id(),
        "kind": "SOFT",
        "product_id": company.facts["productMasterId"],
        "location_id": location_id,
        "quantity": 1,
        "ttl_seconds": 86_400,
        "external_ref": f"CART-{company.mark}",
        "lines": [{"line_id": line, "quantity": 1}],
    }
    who = {"actor": f"Clerk {company.mark}"}
    statement = "SELECT claim_make($1::text::jsonb, $2::text::jsonb)"
    await admin.execute(statement, msgspec.json.encode([claim]).decode(), msgspec.json.encode(who).decode())


async def _hold(admin: "asyncpg.Connection[Any]", company: Company, id_: UUID, *, line: str) -> None:
    hold = {
        "id": id_,
        "type": "QUALITY",
        "scope": "LINE",
        "line_id": line,
        "quantity": 3,
        "reason": f"Scratched at {company.mark}",
    }
    who = {"actor": f"Clerk {company.mark}"}
    statement = "SELECT hold_change($1::text::jsonb, $2::text::jsonb)"
    await admin.execute(statement, msgspec.json.encode(hold).decode(), msgspec.json.encode(who).decode())


async def _invite(
    admin: "asyncpg.Connection[Any]", company: Company, ids: Mapping[str, UUID], by: UUID, *, until: dt.datetime
) -> None:
    """An invitation to nothing yet, and one to the other location."""
    elsewhere = [{"role": "viewer", "location_id": company.facts["otherLocationId"]}]
    for name, token, grants in (
        ("invitationId", company.facts["invitationToken"], []),
        ("elsewhereInvitationId", new_invitation_token(), elsewhere),
    ):
        row = {
            "tenant_id": company.tenant_id,
            "id": ids[name],
            "email": f"{name.lower()}@{company.mark}.example",
            "name": f"Guest of {company.mark}",
            "token_hash": hash_of(token),
            "grants": msgspec.json.encode(grants).decode(),
            "created_by": by,
            "expires_at": until,
        }
        await insert(admin, "invitations", row)


async def _delegate(
    admin: "asyncpg.Connection[Any]", company: Company, delegation_id: UUID, by: UUID, *, since: dt.datetime
) -> None:
    row = {
        "tenant_id": company.tenant_id,
        "id": delegation_id,
        "from_user_id": by,
        "to_user_id": UUID(company.facts["userId"]),
        "permissions": ["stockrequests.approve"],
        "starts_at": since,
        "ends_at": since + dt.timedelta(days=7),
        "note": f"Handed over in {company.mark}",
    }
    await insert(admin, "delegations", row)


async def bind(admin: "asyncpg.Connection[Any]", company: Company) -> None:
    """What is written from here on goes into this tenant's audit trail."""
    await admin.execute(BIND, str(company.tenant_id))


async def insert(admin: "asyncpg.Connection[Any]", table: str, row: Mapping[str, object]) -> None:
    marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await admin.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())


async def add_user(
    admin: "asyncpg.Connection[Any]",
    company: Company,
    role: str,
    *,
    email: str | None = None,
    location_id: UUID | None = None,
) -> UUID:
    """Somebody who holds a role, at one location or everywhere."""
    await bind(admin, company)
    user_id = new_id()
    name = f"{role.title()} of {company.mark}"
    address = email or f"{role}-{user_id.hex[-6:]}@{company.mark}.example"
    await admin.execute(
        "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, $4)",
        user_id,
        address,
        name,
        company.password_hash,
    )
    await insert(admin, "memberships", {"tenant_id": company.tenant_id, "user_id": user_id})
    grant = {"tenant_id": company.tenant_id, "id": new_id(), "user_id": user_id, "role": role}
    await insert(admin, "grants", {**grant, "location_id": location_id})
    return user_id


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as a browser has it."""

    id: UUID
    token: str
    csrf: str

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.token}"}

    @property
    def headers(self) -> dict[str, str]:
        return {**self.cookie, "X-CSRF-Token": self.csrf}


async def begin_session(
    admin: "asyncpg.Connection[Any]", company: Company, user_id: UUID, *, idle: dt.timedelta = dt.timedelta()
) -> Session:
    """A session as a login begins it (which has tests of its own), last used `idle` ago."""
    session_id, token = new_id(), new_session_token()
    await bind(admin, company)
    await admin.execute(
        """
        INSERT INTO sessions (tenant_id, id, user_id, token_hash, created_at, seen_at, expires_at)
        VALUES ($1, $2, $3, $4, now() - $5::interval, now() - $5::interval, now() + interval '11 hours')
        """,
        company.tenant_id,
        session_id,
        user_id,
        hash_of(token),
        idle,
    )
    return Session(id=session_id, token=token, csrf=csrf_token(token))


async def add_key(
    admin: "asyncpg.Connection[Any]",
    company: Company,
    permissions: Iterable[str],
    *,
    location_ids: Sequence[UUID] | None = None,
    key_id: UUID | None = None,
) -> str:
    """An API key with these scopes."""
    key = new_api_key()
    await bind(admin, company)
    row = {
        "tenant_id": company.tenant_id,
        "id": key_id or new_id(),
        "name": f"Key of {company.mark}",
        "key_hash": hash_of(key),
        "prefix": prefix_of(key),
        "last4": last4_of(key),
        "scopes": sorted(permissions),
        "location_ids": location_ids,
    }
    await insert(admin, "api_keys", row)
    return key


async def add_token(admin: "asyncpg.Connection[Any]", company: Company, user_id: UUID) -> str:
    """A token of the import surface as it is issued for a right password (which has tests of its own)."""
    token_id = new_id()
    token = new_import_token(token_id)
    await bind(admin, company)
    await admin.execute(
        """
        INSERT INTO tokens (tenant_id, id, user_id, token_hash, last4, password_set_at, created_at, expires_at)
        SELECT $1, $2, id, $4, $5, password_changed_at, now(), now() + interval '1 day' FROM users WHERE id = $3
        """,
        company.tenant_id,
        token_id,
        user_id,
        hash_of(token),
        last4_of(token),
    )
    return token


def as_bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def master_key(admin: "asyncpg.Connection[Any]", company: Company, **limits: Any) -> dict[str, str]:
    """The headers of a key that may do everything."""
    return as_bearer(await add_key(admin, company, [str(permission) for permission in Permission], **limits))
