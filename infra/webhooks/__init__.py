"""Webhooks in SQL and over HTTP."""
