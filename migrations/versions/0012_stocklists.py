"""Stocklists, and what supervisors read of stock requests.

Revision: 0012
"""

from migrations import script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0012_stocklists.sql")


def downgrade() -> None:
    script("0012_down.sql")
