"""`serve`: what it needs is tried first, as a server tells its errors in its log alone."""

import asyncio
import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from api.cli.command_work import refuse
from api.cli.exit_handling import exit_code_of, fail
from api.exit_codes import FAILED

if TYPE_CHECKING:
    from wiring import Settings


def serve_until_stopped(settings: "Settings", host: str, port: int) -> None:
    """Serve until a signal comes; leaves with the error where it cannot."""
    from wiring import SettingsError, create_local_app, start_log

    try:
        settings = settings.served_on(host)
    except SettingsError as error:
        refuse(error)
    start_log(settings)
    exit_code_of(_try_to_serve(settings, host, port))
    from api.http.server import make_server

    server = make_server(create_local_app(settings), host=host, port=port)
    with suppress(SystemExit):  # with a code that is a run's own, where it cannot start
        server.run()
    if not server.started:
        raise typer.Exit(FAILED)


async def _try_to_serve(settings: "Settings", host: str, port: int) -> int:
    """0 where the data folder opens and the port is free; else leaves with the error."""
    from wiring import open_service

    async with open_service(settings, traced=False):
        pass
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(asyncio.Protocol, host, port)
    except OSError as error:
        reason = str(error.strerror or error).rpartition(": ")[2]
        step = "Choose another port with --port, or end the program that listens there."
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            step = "Give --host a name or an address of this machine."
        fail(f"The server cannot listen on port {port} of {host}: {reason}.\n{step}", code=FAILED)
    listener.close()
    await listener.wait_closed()
    return 0
