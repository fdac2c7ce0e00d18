"""Runs of this machine, as the command asks for them."""
