from .auth import Auth as Auth
from .request_guards import LOOPBACK_HOSTS as LOOPBACK_HOSTS
