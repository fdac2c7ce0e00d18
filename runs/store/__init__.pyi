from .protocol import Store as Store
