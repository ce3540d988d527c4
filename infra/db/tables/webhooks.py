"""Webhooks and what was delivered."""
