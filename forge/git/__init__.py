"""Git commands on the trusted side."""
