"""Documents: numbers and history.

Revision: 0005
"""

from migrations import script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0005_documents.sql")


def downgrade() -> None:
    script("0005_down.sql")
