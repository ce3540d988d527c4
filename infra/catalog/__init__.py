"""Products, places and lots in the database."""
