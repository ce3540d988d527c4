"""What availability reads outside of transactions: one statement each."""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from domain.access.model import Scope
from domain.availability.claims import Place
from domain.availability.ports import Offered, Reservation, ReservationsWanted, State
from infra.availability.rows import RESERVATION, STATE, reservation
from infra.availability.terms import read_terms
from infra.db.pool import Database

PLACES = """
    SELECT t.product_id, t.location_id
    FROM unnest($2::uuid[]) AS k(product_id)
    CROSS JOIN LATERAL (
        SELECT x.product_id, x.location_id FROM stock_totals x
        WHERE x.tenant_id = $1 AND x.product_id = k.product_id AND x.sellable > 0 OFFSET 0
    ) t
    WHERE ($3::uuid[] IS NULL OR t.location_id = ANY ($3))
        AND ($4::uuid IS NULL OR EXISTS (
            SELECT FROM channel_locations c
            WHERE c.tenant_id = $1 AND c.location_id = t.location_id AND c.channel_id = $4
        ))
"""
BY_SKU = "SELECT sku, id FROM products WHERE tenant_id = $1 AND sku = ANY ($2)"
KNOWN = """
    SELECT k.product_id, k.location_id FROM unnest($2::uuid[], $3::uuid[]) AS k(product_id, location_id)
    WHERE EXISTS (SELECT FROM products p WHERE p.tenant_id = $1 AND p.id = k.product_id)
        AND EXISTS (SELECT FROM locations l WHERE l.tenant_id = $1 AND l.id = k.location_id)
"""
_FILTERS = {
    "scope": "r.location_id = ANY (${n})",
    "location": "r.location_id = ${n}",
    "product": "r.product_id = ${n}",
    "channel": "r.channel_id = ${n}",
    "ref": "r.external_ref = ${n}",
    "state": f"{STATE} = ${{n}}",
    "live": "r.state = 'LIVE' AND ${n}",  # so that the index of the live ones serves
    "after": "r.id < ${n}",
}


class SqlAvailability:
    """The `Availability` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def offers(self, tenant_id: UUID, places: Sequence[Place]) -> Offered:
        async with self._database.bound(tenant_id) as driver:
            terms = await read_terms(driver, places, with_lines=True)
        return Offered(position=terms.position, now=terms.now, offers=terms.offers)

    async def places_of(
        self, tenant_id: UUID, product_ids: Sequence[UUID], channel_id: UUID | None, scope: Scope
    ) -> list[Place]:
        within = None if scope is None else list(scope)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(PLACES, tenant_id, list(product_ids), within, channel_id)
        return [(row["product_id"], row["location_id"]) for row in rows]

    async def products_by_sku(self, tenant_id: UUID, skus: Sequence[str]) -> dict[str, UUID]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(BY_SKU, tenant_id, list(skus))
        return {row["sku"]: row["id"] for row in rows}

    async def known(self, tenant_id: UUID, places: Sequence[Place]) -> set[Place]:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(KNOWN, tenant_id, products, locations)
        return {(row["product_id"], row["location_id"]) for row in rows}

    async def reservations(self, wanted: ReservationsWanted) -> list[Reservation]:
        values = {
            "scope": None if wanted.scope is None else list(wanted.scope),
            "location": wanted.location_id,
            "product": wanted.product_id,
            "channel": wanted.channel_id,
            "ref": wanted.external_ref,
            "state": wanted.state,
            "live": True if wanted.state is State.LIVE else None,
            "after": wanted.after,
        }
        given = {name: value for name, value in values.items() if value is not None}
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(_listed(tuple(given), wanted.limit), wanted.tenant_id, *given.values())
        return [reservation(row) for row in rows]

    async def reservation(self, tenant_id: UUID, id_: UUID, scope: Scope) -> Reservation | None:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(f"{RESERVATION} WHERE r.tenant_id = $1 AND r.id = $2", tenant_id, id_)
        if row is None or (scope is not None and row["location_id"] not in scope):
            return None
        return reservation(row)


@lru_cache(maxsize=512)
def _listed(filters: tuple[str, ...], limit: int) -> str:
    where = "".join(f" AND {_FILTERS[name].format(n=n)}" for n, name in enumerate(filters, start=2))
    return f"{RESERVATION} WHERE r.tenant_id = $1{where} ORDER BY r.id DESC LIMIT {limit}"
