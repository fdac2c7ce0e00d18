"""The sandbox Protocol, its limits and results, and what every backend shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
