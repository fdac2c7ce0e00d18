"""Totals: what events and runs add up to, in numbers."""
