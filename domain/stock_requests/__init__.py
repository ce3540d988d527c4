"""Stock requests: from the wish for stock to its receipt, with the approvals on the way."""
