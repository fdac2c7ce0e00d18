from .connection_options import ConnectionOptions as ConnectionOptions
from .database import PostgresDatabase as PostgresDatabase
from .session import DriverConnection as DriverConnection
from .store import PostgresStore as PostgresStore
