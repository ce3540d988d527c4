"""Rights and indexes to remove what background work leaves behind.

Revision: 0018
"""

from migrations import script

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0018_housekeeping.sql")


def downgrade() -> None:
    script("0018_down.sql")
