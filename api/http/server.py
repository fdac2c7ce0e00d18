"""The ASGI server and its limits."""

from typing import Final

import uvicorn
from starlette.types import ASGIApp

MAX_HEADER_BYTES: Final = 32 * 1024
SHUTDOWN_S: Final = 10


def make_server(app: ASGIApp, *, host: str, port: int) -> uvicorn.Server:
    """A server that trusts no forwarded header and leaves the access log to the app."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",  # the one whose headers are limited
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    return uvicorn.Server(config)
