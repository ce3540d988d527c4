"""Tokens of the import surface.

Revision: 0016
"""

from migrations import script

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0016_tokens.sql")


def downgrade() -> None:
    script("0016_down.sql")
