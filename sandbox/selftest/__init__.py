"""Harmless attacks by which a sandbox is tried before anything untrusted runs in it."""
