"""All settings, read in one place. Rooms get plain values."""
