"""Environments of bases: found by rules, made in trees of their own, kept for every tree."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
