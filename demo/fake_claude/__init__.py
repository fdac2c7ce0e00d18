"""A stand-in for Claude's Messages API."""
