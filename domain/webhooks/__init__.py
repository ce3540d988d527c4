"""Webhooks: events sent to addresses that tenants name, signed, at least once, in order for each thing."""
