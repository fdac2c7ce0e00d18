"""Briefing: what a role is shown at its start."""
