"""The first schema: access, catalog, and the ledger with its one writing statement.

Revision: 0001
"""

from migrations import script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0001_roles.sql", "0001_tables.sql", "0001_walls.sql", "0001_ledger.sql")


def downgrade() -> None:
    script("0001_down.sql")
