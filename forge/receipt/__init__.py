"""The receipt of a run: what was run on which commit, how it ended, what it cost; signed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
