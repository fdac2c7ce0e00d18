"""The connection to GitHub's API: clients, tokens, the pace of writes, errors of calls."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
