"""Stock requests: the workflow, approval plans and lines.

Revision: 0011
"""

from migrations import script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0011_stock_requests.sql")


def downgrade() -> None:
    script("0011_down.sql")
