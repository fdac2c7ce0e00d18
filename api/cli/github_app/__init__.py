"""The command `github-app`."""
