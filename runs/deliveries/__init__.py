"""Deliveries: what a forge told of, kept until it is worked off, and its threads."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
