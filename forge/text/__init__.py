"""Texts of pull requests."""
