"""A function's containers: the real entry point in bubblewrap, with its files and Volumes."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from modal_proto import api_pb2 as pb

from tests.modal_plane.calls import Input
from tests.modal_plane.functions import Function
from tests.modal_plane.listener import GrpcServer
from tests.modal_plane.rootfs import RootFs, children, first_process
from tests.modal_plane.volumes import VolumeCopy

LOG_TAIL = 3000
RUN = "/__modal/run"


@dataclass
class Container:
    """One process that works on a function's inputs; `ended` is its exit code."""

    task_id: str
    function: Function
    folder: Path
    copies: dict[str, VolumeCopy]
    files: RootFs
    inputs: list[Input] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    kill_on_cancel: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    retired: asyncio.Event = field(default_factory=asyncio.Event)
    expected: bool = False
    preempted: bool = False
    created: float = field(default_factory=time.time)
    ended: int | None = None
    process: asyncio.subprocess.Process | None = None
    inner: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def live(self) -> bool:
        return self.process is not None and self.ended is None

    @property
    def spent(self) -> bool:
        """Whether it takes no further input."""
        return self.retired.is_set()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def output(self) -> str:
        """The end of what the container wrote."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]

    def processes(self) -> list[int]:
        """Every process inside, the entry point first."""
        found: list[int] = []
        waiting = [self.inner] if self.inner else []
        while waiting:
            process = waiting.pop(0)
            try:
                under = children(process)
            except OSError:  # it ended in this moment
                continue
            found += under
            waiting += under
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the entry point, as the worker of a real container does."""
        for process in self.processes()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def run(
        self,
        arguments: pb.ContainerArguments,
        env: dict[str, str],
        server: GrpcServer,
        working: str,
    ) -> None:
        """Run the entry point until it ends."""
        shared = self.folder / "run"
        await server.listen_at(shared / "s")
        (shared / "args").write_bytes(arguments.SerializeToString())
        try:
            self.process = await self._start(env, working)
            self.up.set()
            self.ended = await self.process.wait()
        finally:
            self.up.set()
            await server.stop()

    async def _start(self, env: dict[str, str], working: str) -> asyncio.subprocess.Process:
        told, tell = os.pipe()
        command = self.files.command(
            [sys.executable, "-m", "modal._container_entrypoint"], working_dir=working, info=tell
        )
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=[tell],
            )
        os.close(tell)
        self.inner = await asyncio.to_thread(first_process, told)
        return process


def environment(task_id: str, values: dict[str, str], path: str) -> dict[str, str]:
    """A container's environment: the image's and the Secrets' `values`, and Modal's own."""
    return {
        "PATH": path,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **values,
        "MODAL_SERVER_URL": f"unix://{RUN}/s",
        "MODAL_TASK_ID": task_id,
        "MODAL_IS_REMOTE": "1",
        "MODAL_CONTAINER_ARGUMENTS_PATH": f"{RUN}/args",
        "MODAL_CONFIG_PATH": "/dev/null",
        "MODAL_LOGLEVEL": "WARNING",
        "MODAL_ENVIRONMENT": "main",
        "PYTHONPATH": "/root",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
