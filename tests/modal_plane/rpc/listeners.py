"""Servers on loopback that leave no connection behind: gRPC by port or by socket file, HTTP."""

import socket
from pathlib import Path
from typing import Any

from aiohttp import web
from grpclib.protocol import H2Protocol
from grpclib.server import Server


class GrpcServer(Server):
    """A gRPC server that closes its connections too when it is closed."""

    def __init__(self, *services: Any) -> None:
        super().__init__(services)
        self._open: list[H2Protocol] = []

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._open.append(protocol)
        return protocol

    async def listen(self) -> str:
        """Serve on a free port; its URL."""
        listening = socket.create_server(("127.0.0.1", 0))
        # Connections inherit it. Without it each answer waits 40 ms for an acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self.start(sock=listening)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def listen_at(self, path: Path) -> None:
        await self.start(path=str(path))

    async def stop(self) -> None:
        self.close()
        for protocol in self._open:
            if hasattr(protocol, "processor"):  # a connection was made
                protocol.processor.close("the plane ends")
        await self.wait_closed()


async def listen(runner: web.AppRunner) -> str:
    """Serve `runner` on a free port; its URL."""
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
