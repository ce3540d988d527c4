"""Analytics of stock and its movements over a period."""
