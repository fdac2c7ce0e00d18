"""A stand-in for GitHub's API and git server."""
