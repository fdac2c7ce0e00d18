from .app import create_app as create_app
from .credential_probes import Probes as Probes
from .options import AppOptions as AppOptions
from .server import make_server as make_server
from .telemetry import tracing as tracing
