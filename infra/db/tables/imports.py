"""Imports, their rows and their files."""
