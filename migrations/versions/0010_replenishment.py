"""Replenishment: levels, and what follows from them.

Revision: 0010
"""

from migrations import script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0010_replenishment.sql")


def downgrade() -> None:
    script("0010_down.sql")
