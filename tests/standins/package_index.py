"""A package index over TLS on this machine's loopback, with a certificate of its own."""

import asyncio
import base64
import hashlib
import io
import ssl
import threading
import zipfile
from collections import Counter
from pathlib import Path
from typing import Final, Self

from tests.standins.certificate import NAME, make_certificate

WHEEL: Final = "tiny-1.0-py3-none-any.whl"
TINY: Final = "ANSWER = 42\n"


class PackageIndex:
    """Serves the package `tiny` from a thread of its own; `asked` counts paths.

    With `files` it serves what lies in that folder, and nothing else.
    """

    def __init__(self, folder: Path, files: Path | None = None) -> None:
        self._files = files
        self.asked: Counter[str] = Counter()
        self.port = 0
        self.certificate, key = make_certificate()
        (folder / "pair.pem").write_text(self.certificate + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "pair.pem")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def host(self) -> str:
        """As an operator names it who means this machine."""
        return f"{NAME}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        assert self._server
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked[path] += 1
            status, kind, body = _read(self._files, path) if self._files else _answer(path)
            start = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{start}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


def _read(folder: Path, path: str) -> tuple[str, str, bytes]:
    """Of a folder of the tests' own: what is asked for is not held against it."""
    file = folder / path.lstrip("/")
    if not file.is_file():
        return "404 Not Found", "text/plain", b""
    return "200 OK", "application/octet-stream", file.read_bytes()


def _answer(path: str) -> tuple[str, str, bytes]:
    if path.endswith(".whl"):
        return "200 OK", "application/zip", _wheel()
    if path.startswith("/simple/tiny"):
        return "200 OK", "text/html", f'<a href="/{WHEEL}">{WHEEL}</a>'.encode()
    return "200 OK", "text/plain", b"hello\n"


def _wheel() -> bytes:
    files = {
        "tiny.py": TINY,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files["tiny-1.0.dist-info/RECORD"] = "\n".join([*rows, "tiny-1.0.dist-info/RECORD,,\n"])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
