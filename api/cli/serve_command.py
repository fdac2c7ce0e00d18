"""What `serve` needs, tried before the server starts, which tells its errors in its log alone."""

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from api.cli.exit_handling import fail
from api.exit_codes import FAILED

if TYPE_CHECKING:
    from wiring import Settings


async def try_to_serve(settings: "Settings", host: str, port: int) -> int:
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
