"""Availability in SQL: terms, claims, holds, channels."""
