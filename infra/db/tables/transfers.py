"""Transfers between locations and bins."""
