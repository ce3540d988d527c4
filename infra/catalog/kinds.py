"""The kinds of the catalog as the database knows them: how they are kept, shown, found and sorted, what uses them.

Reading and writing share one text of how a kind is shown, so that both show the same.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Numeric, Table
from sqlalchemy.dialects import postgresql

from domain.catalog import model, views
from infra.db.tables import catalog as tables


class Key(NamedTuple):
    """A column that a list is sorted by."""

    name: str
    type: type
    sql: str | None = None
    """What it is sorted by where that is not the column itself: nothing may be null in it."""

    @property
    def expression(self) -> str:
        return self.sql or f"x.{self.name}"


DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
SEARCHED = "strpos(lower({0}), lower({1}::text)) > 0"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind. In its texts `x` is its own row; `{}` in a filter is the value that is looked for."""

    name: str
    table: Table
    facts: type[msgspec.Struct]
    view: type[msgspec.Struct]
    kept: Mapping[str, str] = {}
    """How a value is put into its column where it is not just put there; `{}` is the value."""
    shown: Mapping[str, str] = {}
    """What the columns of the view are where they are not the row's own."""
    joins: str = ""
    filters: Mapping[str, str] = {}
    sorts: Mapping[str, tuple[Key, ...]] = {}
    """Each a total order: it ends with something unique."""
    location: str | None = None
    """The column with the location that the kind belongs to."""
    other_location: str | None = None
    """The column with its other end, where it has two: who may look at either may look at it."""
    uses: Mapping[str, str] = {}
    """What may refer to it: a table and a condition, where `$2` is its id."""
    parts: Mapping[str, str] = {}
    """What is removed with it: a table and a condition, likewise."""
    is_referred: bool = False
    """Whether those who refer to it anew must wait while it is changed."""

    def select(self, rows: str) -> str:
        """What is shown of `rows`, a FROM item."""
        columns = ", ".join(f"{self.shown.get(name) or _own(self, name)} AS {name}" for name in self.columns)
        return f"SELECT {columns} FROM {rows} x {self.joins}"  # noqa: S608 - the names are ours

    def within(self, locations: str) -> str:
        """The condition that it belongs to one of the locations."""
        ends = [end for end in (self.location, self.other_location) if end is not None]
        return "(" + " OR ".join(f"x.{end} = ANY ({locations}::uuid[])" for end in ends) + ")"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.view.__struct_fields__)


def _own(kind: Kind, name: str) -> str:
    # 5 is shown as 5, not as 5.0000.
    return f"trim_scale(x.{name})" if isinstance(kind.table.c[name].type, Numeric) else f"x.{name}"


def _search(*columns: str) -> str:
    # No index serves this: under row-level security a pattern is matched after the tenant's rows are found.
    return SEARCHED.format(" || ' ' || ".join(columns), "{}")


_CODE: Mapping[str, tuple[Key, ...]] = {"code": (Key("code", str),), "name": (Key("name", str), Key("id", UUID))}
_ACTIVE = "x.is_active = {}::boolean"

CATEGORY = Kind(
    name="category",
    table=tables.categories,
    facts=model.Category,
    view=views.CategoryView,
    shown={"parent_code": "p.code"},
    joins="LEFT JOIN categories p ON p.tenant_id = x.tenant_id AND p.id = x.parent_id",
    filters={
        "search": _search("x.code", "x.name"),
        "parent_id": "x.parent_id = {}::uuid",
        "is_active": _ACTIVE,
    },
    sorts=_CODE,
    uses={"products": "products WHERE category_id = $2", "subcategories": "categories WHERE parent_id = $2"},
)
UOM = Kind(
    name="uom",
    table=tables.uoms,
    facts=model.Uom,
    view=views.UomView,
    filters={"search": _search("x.code", "x.name"), "is_active": _ACTIVE},
    sorts=_CODE,
    uses={
        "products": "products WHERE uom_id = $2",
        "conversions": "uom_conversions WHERE (from_uom_id = $2 OR to_uom_id = $2)",
    },
)
CONVERSION = Kind(
    name="conversion",
    table=tables.uom_conversions,
    facts=model.Conversion,
    view=views.ConversionView,
    shown={"sku": "p.sku", "from_uom_code": "f.code", "to_uom_code": "t.code"},
    joins="""
        JOIN uoms f ON f.tenant_id = x.tenant_id AND f.id = x.from_uom_id
        JOIN uoms t ON t.tenant_id = x.tenant_id AND t.id = x.to_uom_id
        LEFT JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
    """,
    filters={
        "product_id": "x.product_id = {}::uuid",
        "uom_id": "{}::uuid IN (x.from_uom_id, x.to_uom_id)",
        "is_general": "(x.product_id IS NULL) = {}::boolean",
    },
    sorts={"createdAt": (Key("id", UUID),)},
)
PRODUCT = Kind(
    name="product",
    table=tables.products,
    facts=model.Product,
    view=views.ProductView,
    shown={"category_code": "c.code", "category_name": "c.name", "uom_code": "u.code"},
    joins="""
        LEFT JOIN categories c ON c.tenant_id = x.tenant_id AND c.id = x.category_id
        JOIN uoms u ON u.tenant_id = x.tenant_id AND u.id = x.uom_id
    """,
    filters={
        "search": _search("x.sku", "x.name", "coalesce(x.barcode, '')"),
        "sku": "x.sku = {}::text",
        "barcode": "x.barcode = {}::text",
        "category_id": """x.category_id = ANY (ARRAY(
            WITH RECURSIVE below AS (
                SELECT {}::uuid AS id
                UNION SELECT c.id FROM categories c JOIN below b ON c.parent_id = b.id WHERE c.tenant_id = $1
            ) SELECT b.id FROM below b
        ))""",
        "uom_id": "x.uom_id = {}::uuid",
        "is_lot_controlled": "x.is_lot_controlled = {}::boolean",
        "is_regulated": "x.is_regulated = {}::boolean",
        "is_active": _ACTIVE,
    },
    # Ids are made in the order of time.
    sorts={
        "sku": (Key("sku", str),),
        "name": (Key("name", str), Key("id", UUID)),
        "createdAt": (Key("id", UUID),),
    },
    uses={
        "stockLines": "stock_lines WHERE product_id = $2",
        "lots": "lots WHERE product_id = $2 AND NOT is_default",
    },
    parts={
        "lots": "product_id = $2 AND is_default",
        "empty_records": "product_id = $2",
        "uom_conversions": "product_id = $2",
        "stock_levels": "product_id = $2",
    },
    is_referred=True,
)
LOCATION = Kind(
    name="location",
    table=tables.locations,
    facts=model.Location,
    view=views.LocationView,
    kept={
        # Sets travel as one text, as arrays of arrays cannot be unnested.
        "capabilities": "string_to_array({}::text, ',')",
        # A zone that this server does not know would make every query fail that asks for a date there.
        "time_zone": "CASE WHEN now() AT TIME ZONE {0}::text IS NOT NULL THEN {0}::text END",
    },
    shown={"default_bin_id": "b.id"},
    joins="LEFT JOIN bins b ON b.tenant_id = x.tenant_id AND b.location_id = x.id AND b.is_default",
    filters={
        "search": _search("x.code", "x.name"),
        "type": "x.type = {}::text",
        "capability": "{}::text = ANY (x.capabilities)",
        "is_active": _ACTIVE,
    },
    sorts=_CODE,
    location="id",
    uses={
        "stockLines": "stock_lines WHERE location_id = $2",
        "bins": "bins WHERE location_id = $2 AND NOT is_default",
        "areas": "areas WHERE location_id = $2",
        "stockLevels": "stock_levels WHERE source_location_id = $2",
        "grants": "grants WHERE location_id = $2",
    },
    parts={
        "bins": "location_id = $2 AND is_default",
        "stock_levels": "location_id = $2",
        "empty_records": "location_id = $2",
    },
)
AREA = Kind(
    name="area",
    table=tables.areas,
    facts=model.Area,
    view=views.AreaView,
    shown={"location_code": "l.code"},
    joins="JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id",
    filters={
        "search": _search("x.code", "x.name"),
        "location_id": "x.location_id = {}::uuid",
        "is_active": _ACTIVE,
    },
    sorts={"code": (Key("location_id", UUID), Key("code", str)), "name": (Key("name", str), Key("id", UUID))},
    location="location_id",
    uses={"bins": "bins WHERE area_id = $2"},
)
BIN = Kind(
    name="bin",
    table=tables.bins,
    facts=model.Bin,
    view=views.BinView,
    shown={"location_code": "l.code", "area_code": "a.code"},
    joins="""
        JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
        LEFT JOIN areas a ON a.tenant_id = x.tenant_id AND a.id = x.area_id
    """,
    filters={
        "search": _search("x.code", "x.name"),
        "location_id": "x.location_id = {}::uuid",
        "area_id": "x.area_id = {}::uuid",
        "type": "x.type = {}::text",
        "zone": "x.zone = {}::text",
        "is_active": _ACTIVE,
    },
    sorts={
        "code": (Key("location_id", UUID), Key("code", str)),
        "walkOrder": (Key("location_id", UUID), Key("walk_order", int), Key("id", UUID)),
    },
    location="location_id",
    uses={
        "stockLines": "stock_lines WHERE bin_id = $2",
        "stockLevels": "stock_levels WHERE preferred_bin_id = $2",
    },
    parts={"empty_records": "bin_id = $2"},
    is_referred=True,
)
LOT = Kind(
    name="lot",
    table=tables.lots,
    facts=model.Lot,
    view=views.LotView,
    shown={"sku": "p.sku", "product_name": "p.name"},
    joins="JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id",
    filters={
        "search": _search("x.number", "coalesce(x.supplier_lot, '')"),
        "product_id": "x.product_id = {}::uuid",
        "number": "x.number = {}::text",
        "status": "x.status = {}::text",
        "expiring_before": "x.expires_on < {}::date",
        "is_default": "x.is_default = {}::boolean",
    },
    sorts={
        "lotNumber": (Key("product_id", UUID), Key("number", str)),
        "expiryDate": (Key("expires_on", date, "coalesce(x.expires_on, 'infinity')"), Key("id", UUID)),
        "createdAt": (Key("id", UUID),),
    },
    uses={"stockLines": "stock_lines WHERE lot_id = $2"},
)

USES_COUNTED = 1000


def uses_sql(kind: Kind) -> str:
    """How often what refers to it: counted up to a bound, as a location may have millions of lines."""
    counts = (
        f"(SELECT count(*) FROM (SELECT FROM {used} AND tenant_id = $1 LIMIT {USES_COUNTED}) n)"  # noqa: S608 - ours
        f' AS "{name}"'
        for name, used in kind.uses.items()
    )
    return f"SELECT {', '.join(counts)}"


def column_types(kind: Kind) -> Mapping[str, str]:
    """The SQL types that the facts are sent as, by column."""
    types = {name: kind.table.c[name].type.compile(dialect=DIALECT) for name in kind.facts.__struct_fields__}
    return {name: "text" if name in kind.kept else type_ for name, type_ in types.items()}


def fields_of(table: Table) -> Mapping[str, str]:
    """The column that each constraint is about, the last one of its key, by the constraint's name."""
    fields: dict[str, str] = {}
    for constraint in table.constraints:
        columns = list(getattr(constraint, "columns", ()))
        if columns:
            fields[str(constraint.name)] = columns[-1].name
    return fields
