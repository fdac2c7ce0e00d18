"""The ASGI server and its limits."""

from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from api.http.bounded_protocol import BoundedProtocol, ConnectionBounds, Connections

MAX_HEADER_BYTES: Final = 32 * 1024
SHUTDOWN_S: Final = 10


def make_server(
    app: ASGIApp, *, host: str, port: int, bounds: ConnectionBounds | None = None
) -> uvicorn.Server:
    """A server that trusts no forwarded header and leaves the access log to the app."""
    table = Connections(bounds or ConnectionBounds())
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("Any", partial(BoundedProtocol, table=table)),
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
