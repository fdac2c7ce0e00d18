"""Ecosystems: what is known of each language's projects. A file is an ecosystem or part of one."""
