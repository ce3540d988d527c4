"""Stocklists."""
