"""Replenishment levels and records."""
