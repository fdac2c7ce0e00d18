"""Schemas of the OpenAPI document that no model of an answer gives, and what fields mean."""
