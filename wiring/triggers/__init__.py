"""Triggers at work: deliveries of the forge become runs, and the forge is told of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
