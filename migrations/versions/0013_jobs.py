"""Background jobs: what was asked for, how far it is, and the queue that wakes the workers.

Revision: 0013
"""

from migrations import script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0013_jobs.sql")


def downgrade() -> None:
    script("0013_down.sql")
