"""Ecosystems: what is known of each language's projects, a file each."""
