"""Cycle counts: batches, their lines and what was found.

Revision: 0006
"""

from migrations import script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0006_counts.sql")


def downgrade() -> None:
    script("0006_down.sql")
