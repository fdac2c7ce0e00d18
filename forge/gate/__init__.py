"""The gate: what a change may contain before it is pushed."""
