"""Invoices from plain text files."""
