"""What the commands for backup and restore call."""

from infra.postgres.backup import DamagedBackup, read_backup, take_backup
from infra.postgres.restore import check_files, prune_archive, restore_backup, send_to_archive

__all__ = [
    "DamagedBackup",
    "check_files",
    "prune_archive",
    "read_backup",
    "restore_backup",
    "send_to_archive",
    "take_backup",
]
