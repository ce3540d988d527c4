"""Who may do what by default: the model and the roles, read at start-up and reviewed like code."""
