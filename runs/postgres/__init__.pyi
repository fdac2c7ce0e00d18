from .connection_options import ConnectionOptions as ConnectionOptions
from .connection_pool import ConnectionPool as ConnectionPool
from .connection_pool import open_pool as open_pool
from .errors import map_postgres_errors as map_postgres_errors
from .store import PostgresStore as PostgresStore
