"""A function's containers: the real entry point in bubblewrap, with its files and Volumes."""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.fork_server import FIXED, ForkServer
from tests.modal_plane.containers.namespace_holder import Holder, hold, members
from tests.modal_plane.containers.rootfs import RootFs
from tests.modal_plane.functions.calls import Input
from tests.modal_plane.functions.registry import Function
from tests.modal_plane.rpc.listeners import GrpcServer
from tests.modal_plane.storage.volumes import VolumeCopy

LOG_TAIL = 3000
RUN = "/__modal/run"


@dataclass
class Container:
    """One process that works on a function's inputs.

    `ended` is its exit code, `used` its processor time in seconds.
    """

    task_id: str
    function: Function
    folder: Path
    copies: dict[str, VolumeCopy]
    files: RootFs
    inputs: list[Input] = field(default_factory=list)
    taken: int = 0
    cancelled: list[str] = field(default_factory=list)
    kill_on_cancel: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    retired: asyncio.Event = field(default_factory=asyncio.Event)
    expected: bool = False
    preempted: bool = False
    created: float = field(default_factory=time.time)
    ended: int | None = None
    used: float = 0.0
    holder: Holder | None = None
    entry_point: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def live(self) -> bool:
        return self.entry_point != 0 and self.ended is None

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

    def report(self) -> str:
        ended = "runs" if self.ended is None else f"ended ({self.ended}) after {self.used} s"
        return f"{self.function.name} {self.task_id} {ended}\n{self.output()}"

    def processes(self) -> list[int]:
        """Every process inside."""
        return members(self.holder.inner) if self.holder is not None else []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the entry point, as the worker of a real container does."""
        if self.live:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.entry_point, number)

    def kill(self) -> None:
        """End every process inside."""
        if self.holder is not None:
            self.holder.kill()

    async def run(
        self,
        forks: ForkServer,
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
            self.holder = await hold(self.files)
            report = forks.spawn(self.holder.inner, env, working, self.log)
            reader, writer = await asyncio.open_connection(sock=report)
            self.entry_point = int(await reader.readline() or 0)
            self.up.set()
            code, _, seconds = (await reader.readline()).decode().partition(" ")
            self.ended, self.used = int(code or -signal.SIGKILL), float(seconds or 0)
            writer.close()
        finally:
            self.up.set()
            if self.holder is not None:
                await self.holder.end()
            await server.stop()


def environment(task_id: str, values: dict[str, str], path: str) -> dict[str, str]:
    """A container's environment: the image's and the Secrets' `values`, and Modal's own."""
    return {
        "PATH": path,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **values,
        **FIXED,
        "MODAL_SERVER_URL": f"unix://127.0.0.1{RUN}/s",  # a host by which the client knows a test
        "MODAL_TASK_ID": task_id,
        "MODAL_CONTAINER_ARGUMENTS_PATH": f"{RUN}/args",
        "PYTHONPATH": "/root",
    }
