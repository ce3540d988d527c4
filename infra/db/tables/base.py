"""What every table shares: names for constraints, the tenant in front of every key, and the common column types.

The tables are metadata only: statements are built from them once and run on the driver, and migrations are
compared with them. Nothing maps a class to a row.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

QUANTITY = Numeric(18, 4)
MONEY = Numeric(18, 4)
TIMESTAMP = DateTime(timezone=True)


def tenant_table(name: str, *items: SchemaItem, key: tuple[str, ...] = ("id",)) -> Table:
    """A table of tenant data: `tenant_id` leads its primary key, so that data can be split by tenant later."""
    tenant = Column("tenant_id", Uuid, nullable=False)
    return Table(name, metadata, tenant, *items, PrimaryKeyConstraint("tenant_id", *key))


def of_tenant() -> ForeignKeyConstraint:
    """The reference to the tenant itself, on the tables at the root only.

    The others reach it through their composite keys; a foreign key on each movement would lock one hot row.
    """
    return ForeignKeyConstraint(["tenant_id"], ["tenants.id"])


def within_tenant(*columns: str, to: str, target: tuple[str, ...] = ("id",)) -> ForeignKeyConstraint:
    """A reference that cannot leave the tenant (foreign keys are checked past row-level security)."""
    return ForeignKeyConstraint(["tenant_id", *columns], [f"{to}.tenant_id", *(f"{to}.{c}" for c in target)])


def identifier() -> Column[object]:
    return Column("id", Uuid, nullable=False)


def reference(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, Uuid, nullable=optional)


def words(name: str, longest: int, *, optional: bool = False) -> tuple[Column[object], CheckConstraint]:
    """A text column with its longest length; never empty, absent instead where `optional`."""
    return (
        Column(name, Text, nullable=optional),
        CheckConstraint(f"length({name}) BETWEEN 1 AND {longest}", name=f"{name}_length"),
    )


def one_of(name: str, *values: str, default: str | None = None) -> tuple[Column[object], CheckConstraint]:
    """A state as text and CHECK: PostgreSQL enums do not go down and up again in migrations."""
    listed = ", ".join(f"'{value}'" for value in values)
    server_default = None if default is None else text(f"'{default}'")
    return (
        Column(name, Text, nullable=False, server_default=server_default),
        CheckConstraint(f"{name} IN ({listed})", name=f"{name}_known"),
    )


def quantity(
    name: str, *, optional: bool = False, minimum: int | None = 0, default: str | None = None
) -> tuple[Column[object], CheckConstraint]:
    """An exact quantity. NaN is refused by name: PostgreSQL holds it greater than every number."""
    floor = "" if minimum is None else f" AND {name} >= {minimum}"
    return (
        Column(name, QUANTITY, nullable=optional, server_default=None if default is None else text(default)),
        CheckConstraint(f"{name} <> 'NaN'{floor}", name=f"{name}_range"),
    )


def flag(name: str, *, default: bool) -> Column[object]:
    return Column(name, Boolean, nullable=False, server_default=text("true" if default else "false"))


def days(name: str) -> tuple[Column[object], CheckConstraint]:
    return Column(name, Integer), CheckConstraint(f"{name} BETWEEN 0 AND 36500", name=f"{name}_range")


def bookkeeping() -> tuple[Column[object], Column[object], Column[object]]:
    """Version for compare-and-set, and when the row was made and last changed."""
    return (
        Column("version", Integer, nullable=False, server_default=text("1")),
        Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
        Column("updated_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    )
