"""Measurements of the product against a bare loop; nothing here is asserted in tests."""
