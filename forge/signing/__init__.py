"""Signatures of commits and other data by the operator's key, made outside the sandbox."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
