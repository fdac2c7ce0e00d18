"""Backends that run commands: bubblewrap, docker and Modal."""
