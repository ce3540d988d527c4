"""People and their rights with versions, invitations, delegations, and the audit trail.

Revision: 0002
"""

from migrations import script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script("0002_people.sql", "0002_audit.sql", "0002_sessions.sql", "0002_invitations.sql", "0002_settings.sql")


def downgrade() -> None:
    script("0002_down.sql")
