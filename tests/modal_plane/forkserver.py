"""Starts containers' entry points by a process that has imported their libraries already."""

import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.modal_plane import zygote

PRELOAD = ("modal._runtime.asgi", "fastapi")


class ForkServer:
    """One such process; it ends with this one."""

    def __init__(self, preload: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asked = ours
        command = [sys.executable, "-I", zygote.__file__, str(theirs.fileno()), *preload]
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **FIXED}
        self._process = subprocess.Popen(
            command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()

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
        self._process.wait()


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
    server = ForkServer(preload)
    atexit.register(server.close)
    return server
