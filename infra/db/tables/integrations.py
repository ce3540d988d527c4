"""Field mappings of keys."""
