"""What a role is told at its start."""
