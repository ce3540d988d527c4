"""Webhooks: where events are sent to, and what became of each.

Revision: 0014
"""

from migrations import script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0014_webhooks.sql")


def downgrade() -> None:
    script("0014_down.sql")
