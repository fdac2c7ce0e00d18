"""The first message of a TLS client, read for the name of the server that it asks for."""

import asyncio
from collections.abc import Iterator
from typing import Final

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_ENCRYPTED_HELLO: Final = 0xFE0D
_MOST_BYTES: Final = 32 * 1024
_LONGEST_RECORD: Final = 16 * 1024 + 256


class NotTls(Exception):
    """Raised when a client does not begin TLS as it must; says why."""


async def read_client_hello(reader: asyncio.StreamReader) -> bytes:
    """The records that hold the hello, as they came. Raises NotTls."""
    records, message = b"", b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        try:
            head = await reader.readexactly(5)
            length = int.from_bytes(head[3:5])
            if head[0] != _HANDSHAKE or head[1] != 3 or not 0 < length <= _LONGEST_RECORD:
                raise NotTls("what was sent is not TLS")
            body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise NotTls("the connection ended before TLS began") from error
        records += head + body
        message += body
        if message[0] != _CLIENT_HELLO or len(records) > _MOST_BYTES:
            raise NotTls("what was sent is no hello of a TLS client")
    return records


def server_name(records: bytes) -> str:
    """The one name that a hello asks for, in small letters. Raises NotTls."""
    message = _Bytes(b"".join(_bodies(records)))
    message.take(4)  # type and length
    message.take(2 + 32)  # version and random
    message.vector(1)  # session
    message.vector(2)  # ciphers
    message.vector(1)  # compression
    names: list[bytes] = []
    for kind, body in _extensions(message.vector(2)):
        if kind == _ENCRYPTED_HELLO:
            raise NotTls("the hello hides the name of the server")
        if kind == _SERVER_NAME:
            names += _names(body)
    if len(names) != 1:
        raise NotTls(f"the hello names {len(names)} servers")
    return names[0].decode("ascii", errors="replace").lower()


def _bodies(records: bytes) -> Iterator[bytes]:
    source = _Bytes(records)
    while source.rest:
        source.take(3)
        yield source.vector(2)


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    source = _Bytes(data)
    while source.rest:
        kind = int.from_bytes(source.take(2))
        yield kind, source.vector(2)


def _names(extension: bytes) -> Iterator[bytes]:
    source = _Bytes(_Bytes(extension).vector(2))
    while source.rest:
        kind = source.take(1)
        name = source.vector(2)
        if kind == b"\0":
            yield name


class _Bytes:
    """What is left to read. Raises NotTls where less is there than is said."""

    def __init__(self, rest: bytes) -> None:
        self.rest = rest

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise NotTls("the hello is cut off")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def vector(self, size: int) -> bytes:
        """Bytes that are preceded by their number, of `size` bytes itself."""
        return self.take(int.from_bytes(self.take(size)))
