"""A sandbox inside a container: supervisor, wire format, sending the base."""
