"""Counters of requests and of guesses, which all processes share.

Revision: 0003
"""

from migrations import script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0003_limits.sql")


def downgrade() -> None:
    script("0003_down.sql")
