"""Availability: channels, policies, claims, holds, inbound supply, destructions.

Revision: 0004
"""

from migrations import script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0004_tables.sql", "0004_claims.sql")


def downgrade() -> None:
    script("0004_down.sql")
