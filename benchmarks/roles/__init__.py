"""What the roles cost, beside mini-swe-agent: the same work, the same stand-in for Claude."""
