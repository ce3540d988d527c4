"""Promises of these tests stand at the end of a run."""

from tests.ledger.promises import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]
