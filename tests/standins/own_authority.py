"""A server for HTTP over TLS whose certificate no public authority has signed."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.certificate import NAME, make_certificate


@dataclass
class TlsServer:
    """Answers 404 to all. `certificate` is the file that has to be trusted."""

    certificate: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.partition(b"\r\n")[0].decode())
            writer.write(
                b"HTTP/1.1 404 Gone\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
            )
            await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def tls_server(folder: Path) -> AsyncIterator[TlsServer]:
    certificate, key = make_certificate()
    server, key_file = TlsServer(folder / "authority.pem"), folder / "key.pem"
    server.certificate.write_text(certificate)
    key_file.write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, key_file)
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0, ssl=context) as listening:
        server.address = f"https://{NAME}:{listening.sockets[0].getsockname()[1]}"
        yield server
