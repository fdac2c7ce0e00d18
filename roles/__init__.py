"""The four roles on Claude. The only holder of the Claude key."""
