"""Network of the set-up step: the allow-list of hosts and the filtering proxy."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
