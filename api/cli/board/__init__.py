"""Commands that watch all runs at once."""
