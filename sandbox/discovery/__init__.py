"""Discovery: the checks and set-up commands that a repository implies."""
