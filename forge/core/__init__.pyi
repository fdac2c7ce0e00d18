from .repository_address import is_loopback as is_loopback
from .repository_address import parse as parse
from .repository_address import web_address as web_address
