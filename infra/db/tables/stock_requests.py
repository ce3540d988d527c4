"""Stock requests, their lines and approvals."""
