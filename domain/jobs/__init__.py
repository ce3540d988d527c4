"""Work that is done later: what was asked for, how far it is, and how it ended."""
