"""What a period of the ledger says: goods in and out, shrinkage, turns, ageing, count accuracy."""
