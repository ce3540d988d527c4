"""Field mappings of keys for the integrations surface.

Revision: 0017
"""

from migrations import script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0017_integrations.sql")


def downgrade() -> None:
    script("0017_down.sql")
