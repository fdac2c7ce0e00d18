"""Set-up: installing dependencies, and the cache of what was installed."""
