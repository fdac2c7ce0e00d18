from .connection import Connection as Connection
from .connection import Database as Database
from .dialect import Dialect as Dialect
from .store import SqlStore as SqlStore
