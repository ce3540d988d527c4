"""ABC classes, due dates and tasks of counting.

Revision: 0007
"""

from migrations import script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0007_count_plans.sql")


def downgrade() -> None:
    script("0007_down.sql")
