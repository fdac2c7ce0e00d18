"""The life of a run: start, watch, cancel, resume; the event log and the store."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
