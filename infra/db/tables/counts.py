"""Cycle counts: batches, their lines and what was found."""
