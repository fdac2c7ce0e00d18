"""What a run says of itself while it works: one frozen model a type."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
