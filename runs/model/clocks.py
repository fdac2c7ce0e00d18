"""Clocks of machines."""

from typing import Final

CLOCKS_DIFFER_S: Final = 60.0
"""Two clocks differ by less."""
