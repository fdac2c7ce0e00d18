from .api_address import web_address as web_address
from .client import GitHub as GitHub
from .connection import AppKey as AppKey
from .manifest import CreatedApp as CreatedApp
from .manifest import ManifestConversion as ManifestConversion
from .manifest import app_manifest as app_manifest
