"""Tools that a role may call."""
