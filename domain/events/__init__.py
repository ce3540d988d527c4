"""What happened, in the order in which it was committed: the feed that other systems follow."""
