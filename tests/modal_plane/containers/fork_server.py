"""Starts containers' entry points by a process that has imported their libraries already."""

import asyncio
import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Self

from tests.modal_plane.containers import zygote

PRELOAD = ("modal._runtime.asgi", "fastapi")


class ForkServer:
    """One such process, known by its socket: it ends when this is closed."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked

    @classmethod
    def start(cls, preload: tuple[str, ...]) -> Self:
        """Begin with libraries alone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", zygote.__file__, str(theirs.fileno()), *preload]
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **FIXED}
        with theirs:
            process = subprocess.Popen(
                command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        atexit.register(process.wait)
        return cls(ours)

    def with_mounted(self, folder: Path, modules: tuple[str, ...]) -> "ForkServer":
        """One more, which has imported modules of a deployment whose files are in `folder`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        message = json.dumps({"mounted": str(folder), "modules": modules})
        with theirs:
            socket.send_fds(self._asked, [message.encode()], [theirs.fileno()])
        return ForkServer(ours)

    async def ready(self) -> None:
        """Wait until all is imported that entry points begin with."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(
                    self._asked, [json.dumps({"ready": True}).encode()], [theirs.fileno()]
                )
            ours.settimeout(0)  # as asyncio wants it
            await asyncio.get_running_loop().sock_recv(ours, 1)

    def spawn(self, inside: int, env: Mapping[str, str], folder: str, log: Path) -> socket.socket:
        """Begin an entry point in the container whose first process is `inside`.

        What is got is told its process, then its exit code and its processor time, a line each.
        """
        ours, theirs = socket.socketpair()
        message = json.dumps({"inside": inside, "env": dict(env), "folder": folder})
        with log.open("wb") as file, theirs:
            descriptors = [file.fileno(), theirs.fileno()]
            socket.send_fds(self._asked, [message.encode()], descriptors)
        ours.settimeout(0)  # as asyncio wants it
        return ours

    def close(self) -> None:
        self._asked.close()


# What every container has in its environment, and the libraries may read as they are imported.
FIXED = {
    "MODAL_IS_REMOTE": "1",
    "MODAL_CONFIG_PATH": "/dev/null",
    "MODAL_LOGLEVEL": "WARNING",
    "MODAL_ENVIRONMENT": "main",
}


@cache
def fork_server(preload: tuple[str, ...]) -> ForkServer:
    """One for all planes of this process."""
    server = ForkServer.start(preload)
    atexit.register(server.close)
    return server
