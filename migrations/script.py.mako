"""${message}

Revision: ${up_revision}, after ${down_revision | comma,n}
"""

from migrations import script

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Must be safe for the version of the application that is still running.
    script("${up_revision}_….sql")


def downgrade() -> None:
    script("${up_revision}_down.sql")
