"""Stock requests in the database."""
