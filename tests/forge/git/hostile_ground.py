"""A hostile repository, and around it what plants need: a program, a folder, a proxy."""

import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forge.git.git_plants import Plant
from tests.support.trusted_side import ENVIRONMENT

TOKEN = "canary-of-the-forge"


class Ground:
    """`checkout` is the repository; `fired` is there once something fired."""

    def __init__(self, folder: Path, repository: Path, proxy: "Proxy") -> None:
        self.checkout = folder / "checkout"
        self.fired = folder / "fired"
        shutil.copytree(repository, self.checkout, symlinks=True)
        (folder / "evil").mkdir()
        fire = folder / "fire.sh"
        fire.write_text(f'#!/bin/sh\necho "fired $FORGE_TOKEN" >> {self.fired}\n')
        fire.chmod(0o755)
        proxy.fired = self.fired
        self._environment = {
            **ENVIRONMENT,
            "FORGE_TOKEN": TOKEN,
            "FIRE": str(fire),
            "FIRED": str(self.fired),
            "EVIL": str(folder / "evil"),
            "PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
        }

    def sh(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Shell in the repository, as a service would run it that has the token at hand."""
        return subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=self.checkout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def plant(self, plant: Plant) -> bool:
        """Whether it could be planted; what fired meanwhile is forgotten."""
        done = self.sh(plant.plant)
        self.fired.unlink(missing_ok=True)
        return done.returncode == 0

    def has_fired(self, plant: Plant) -> bool:
        return self.sh(plant.proof).returncode == 0


class Proxy(socketserver.ThreadingTCPServer):
    """Keeps what comes; answers nothing."""

    daemon_threads = True
    fired = Path("/nonexistent")


class _Keep(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        with self.server.fired.open("ab") as file:
            file.write(self.request.recv(65536))


@contextmanager
def proxy() -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", 0), _Keep) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield server
        server.shutdown()
