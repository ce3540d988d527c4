"""Imports in PostgreSQL: a handful of statements, however many the records."""
