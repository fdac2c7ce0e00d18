from .api_address import web_address as web_address
from .client import GitHub as GitHub
from .connection import AppKey as AppKey
