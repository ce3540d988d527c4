"""Inventory from other systems in batches: records by item, bin, lot and fill date."""
