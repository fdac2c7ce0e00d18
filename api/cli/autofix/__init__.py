"""The command `autofix`."""
