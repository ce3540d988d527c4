"""Put-away tasks."""
