"""Secret scanning: the catalogue of patterns."""
