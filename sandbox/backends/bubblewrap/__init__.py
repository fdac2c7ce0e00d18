"""The bubblewrap backend: one bubblewrap process a command."""
