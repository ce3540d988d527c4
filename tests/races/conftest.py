from tests.ledger.conftest import admin, database, pytest_terminal_summary

__all__ = ["admin", "database", "pytest_terminal_summary"]
