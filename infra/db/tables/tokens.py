"""Tokens of the import surface."""
