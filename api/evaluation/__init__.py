"""Evaluation on tasks: predictions, a ledger, and what both come to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
