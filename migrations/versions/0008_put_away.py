"""Put-away: tasks from the receiving bins to the shelves.

Revision: 0008
"""

from migrations import script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0008_put_away.sql")


def downgrade() -> None:
    script("0008_down.sql")
