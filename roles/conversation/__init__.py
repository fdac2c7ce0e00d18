"""A role's conversation with Claude: turns, transcript, budget."""
