"""All runs at once, live."""
