"""Ecosystems: what is known of each language's projects. A file is an ecosystem or a part of one."""
