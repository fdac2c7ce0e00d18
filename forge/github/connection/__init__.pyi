from .connection import Api as Api
from .connection import Connection as Connection
from .connection import ConnectionOptions as ConnectionOptions
from .installation_tokens import PERMISSIONS as PERMISSIONS
from .installation_tokens import AppKey as AppKey
from .renamed import send as send
from .storage_client import make_storage_client as make_storage_client
