"""What a period of the ledger says, for a dashboard."""
