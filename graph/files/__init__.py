"""The folder of a run, files that are written whole or not at all, and locks between processes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
