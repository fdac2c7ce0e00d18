"""Measurements of the product, beside other agents where they do the same; no test asserts them."""
