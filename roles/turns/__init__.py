"""Turns: one request each, within what is left of the run's money and time."""
