"""Imports: records by fill date, staged rows, files.

Revision: 0015
"""

from migrations import script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0015_imports.sql")


def downgrade() -> None:
    script("0015_down.sql")
