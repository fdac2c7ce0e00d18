"""A proxy for HTTP that answers each request itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

NAME = "127.0.0.1"


class RefusingProxy:
    """`address` is its URL, `asked` are the first lines of what came."""

    def __init__(self, status: str) -> None:
        self.address = ""
        self.asked: list[str] = []
        self._status = status

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def refusing_proxy(status: str) -> AsyncIterator[RefusingProxy]:
    """One that answers with this status, such as `407 Proxy Authentication Required`."""
    proxy = RefusingProxy(status)
    async with await asyncio.start_server(proxy.answer, NAME, 0) as server:
        proxy.address = f"http://{NAME}:{server.sockets[0].getsockname()[1]}"
        yield proxy
