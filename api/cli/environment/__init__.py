"""The command `environment`."""
