"""A way to a PostgreSQL server that is cut at a moment: between a COMMIT and its answer."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT\0"


class CuttingProxy:
    """Cuts the next COMMIT `before` the server gets it, or `after`; None cuts none."""

    def __init__(self, server: Path, listener: socket.socket) -> None:
        self.cut: str | None = None
        self._server = server
        self._listener = listener
        self._threads: list[Thread] = []
        self._ends: list[socket.socket] = []

    def start(self, work: Callable[..., None], *values: socket.socket) -> None:
        thread = Thread(target=work, args=values, daemon=True)
        self._threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server / _SOCKET))
                self._ends += [client, server]
                self.start(self.forth, client, server)
                self.start(self.back, server, client)

    def forth(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                cut = self.cut if _COMMIT in data else None
                if cut:
                    client.shutdown(socket.SHUT_RDWR)
                if cut != "before":
                    server.sendall(data)
                if cut:
                    self.cut = None
                    break
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    @staticmethod
    def back(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (*self._ends, self._listener):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (*self._ends, self._listener):
            end.close()


@contextmanager
def cutting_proxy(server: Path, folder: Path) -> Iterator[CuttingProxy]:
    """The proxy; its socket is in `folder`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / _SOCKET))
    listener.listen()
    proxy = CuttingProxy(server, listener)
    proxy.start(proxy.accept)
    try:
        yield proxy
    finally:
        proxy.stop()
