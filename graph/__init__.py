"""The vocabulary of a run and the LangGraph state machine that drives it. Knows no other room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
