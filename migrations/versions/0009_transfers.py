"""Transfers between locations and bins.

Revision: 0009
"""

from migrations import script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0009_transfers.sql")


def downgrade() -> None:
    script("0009_down.sql")
