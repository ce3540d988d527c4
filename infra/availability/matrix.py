"""The matrix, read in one round trip: the page of products, and the terms of what is on it."""

from typing import Any
from uuid import UUID

import msgspec

from domain.availability.matrix import COUNTED_MAX, Column, MatrixLocation, Row, Slice, SliceWanted
from infra.availability.terms import Terms, decoded
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, like, size_for

NO_PRODUCT = UUID(int=0)

# The keys of the page first, on the index of totals by location; what is shown of it is looked up by full keys.
_PAGE = """
    WITH {matching} found AS MATERIALIZED (
        SELECT t.product_id FROM {rows} t WHERE {where} {after} ORDER BY t.product_id LIMIT {size} {tail}
    ), page AS MATERIALIZED (
        SELECT f.product_id FROM found f ORDER BY f.product_id LIMIT :limit
    )
    SELECT w.name, {total} AS total, (SELECT count(*) FROM found) AS found, (
            SELECT jsonb_agg(jsonb_build_array(p.id, p.sku, p.name) ORDER BY p.id) FROM page f
            CROSS JOIN LATERAL (
                SELECT x.id, x.sku, x.name FROM products x
                WHERE x.tenant_id = :tenant AND x.id = f.product_id OFFSET 0
            ) p
        ) AS products,
        availability_terms(
            ARRAY(SELECT f.product_id FROM page f ORDER BY f.product_id) || :nothing::uuid,
            ARRAY(SELECT :location::uuid FROM page) || :location::uuid, false
        ) AS terms
    FROM locations w WHERE w.tenant_id = :tenant AND w.id = :location
"""
_OF_LOCATION = "t.tenant_id = :tenant AND t.location_id = :location"
_COUNTED = "(SELECT count(*) FROM (SELECT FROM stock_totals t WHERE {where} LIMIT {most}) c)"
# Row-level security lets no index serve a search within texts: the catalog is read through, the stock is not.
_MATCHING = """
    matching AS MATERIALIZED (
        SELECT x.id AS product_id FROM products x
        CROSS JOIN LATERAL (
            SELECT FROM stock_totals t
            WHERE t.tenant_id = :tenant AND t.product_id = x.id AND t.location_id = :location OFFSET 0
        ) s
        WHERE x.tenant_id = :tenant AND (x.sku ILIKE :search OR x.name ILIKE :search OR x.barcode ILIKE :search)
    ),
"""
_AFTER = "AND t.product_id > :after"


def _query(*, is_search: bool, is_after: bool, size: int) -> Query:
    where = "true" if is_search else _OF_LOCATION
    counted = (
        "(SELECT count(*) FROM matching)" if is_search else _COUNTED.format(where=where, most=COUNTED_MAX + 1)
    )
    return Query(
        _PAGE,
        matching=_MATCHING if is_search else "",
        rows="matching" if is_search else "stock_totals",
        where=where,
        after=_AFTER if is_after else "",
        size=str(size),
        tail="" if is_after else "OFFSET :offset",
        total="NULL::bigint" if is_after else counted,
    )


_QUERIES: dict[tuple[bool, bool, int], Query] = {}
_products = msgspec.json.Decoder(list[tuple[UUID, str, str]])


class SqlMatrixReads:
    """The `MatrixReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def slice(self, wanted: SliceWanted) -> Slice | None:
        kind = wanted.search is not None, wanted.after is not None, size_for(wanted.limit)
        query = _QUERIES.get(kind)
        if query is None:
            query = _QUERIES[kind] = _query(is_search=kind[0], is_after=kind[1], size=kind[2])
        given: dict[str, Any] = {
            "tenant": wanted.tenant_id,
            "location": wanted.location_id,
            "limit": wanted.limit,
            "nothing": NO_PRODUCT,
            "search": None if wanted.search is None else like(wanted.search),
            "offset": wanted.offset,
            "after": wanted.after,
        }
        async with self._database.bound(wanted.tenant_id) as driver:
            row = await query.fetch_row(driver, given)
        return None if row is None else _slice(wanted, row)


def columns_of(terms: Terms, location_id: UUID) -> tuple[Column, ...]:
    """The channels as the location sees them, in the order of an offer's channels."""
    return tuple(
        Column(
            id=channel.id,
            code=channel.code,
            name=channel.name,
            type=channel.type,
            is_served=location_id in channel.location_ids,
            policy=terms.policies.most_specific(
                channel_id=channel.id, location_id=location_id, product_id=NO_PRODUCT
            ),
        )
        for channel in terms.channels
    )


def _slice(wanted: SliceWanted, row: Any) -> Slice:
    terms = decoded(row["terms"])
    products = _products.decode(row["products"] or "[]")
    return Slice(
        position=terms.position,
        location=MatrixLocation(id=wanted.location_id, name=row["name"]),
        columns=columns_of(terms, wanted.location_id),
        rows=tuple(
            Row(product_id=id_, sku=sku, name=name, offer=terms.offers[id_, wanted.location_id])
            for id_, sku, name in products
        ),
        total=row["total"],
        after=products[-1][0] if row["found"] > len(products) else None,
    )
