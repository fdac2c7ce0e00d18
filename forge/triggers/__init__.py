"""Triggers: acts of people on the forge that begin, steer or end runs, and what is told there."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
