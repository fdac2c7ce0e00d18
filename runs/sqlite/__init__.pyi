from .store import SqliteStore as SqliteStore
