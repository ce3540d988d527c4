"""The embedded PostgreSQL server and its life."""

from infra.postgres.errors import DatabaseTrouble
from infra.postgres.lifecycle import (
    Database,
    Shell,
    database_shell,
    database_status,
    delete_database,
    start_database,
    stop_database,
)
from infra.postgres.server import APP_ROLE, DATABASE, Running, Server, Status

__all__ = [
    "APP_ROLE",
    "DATABASE",
    "Database",
    "DatabaseTrouble",
    "Running",
    "Server",
    "Shell",
    "Status",
    "database_shell",
    "database_status",
    "delete_database",
    "start_database",
    "stop_database",
]
