"""Secret scanning: the catalogue of patterns and the forms of a token."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
