from .auth import Auth as Auth
from .host_names import LOOPBACK_HOSTS as LOOPBACK_HOSTS
