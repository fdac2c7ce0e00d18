"""A container that runs, seen through the program attached to it, and as a process of its own."""

import asyncio

from sandbox.backends.docker.argv import LET_IN
from sandbox.backends.docker.cli import end
from sandbox.backends.docker.first_process import FirstProcess
from sandbox.backends.docker.stoppable import Stoppable
from sandbox.core.output import BothEnds

READ_BYTES = 64 * 1024


class Execution(Stoppable):
    """A command that runs. Await `wait()`; `stop` ends it at any time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        container: str,
        kept: BothEnds,
        output_bytes: int,
    ) -> None:
        """`container` is its id."""
        super().__init__()
        self._process = process
        self.container = container
        self._output_bytes = output_bytes
        self._first: FirstProcess | None = None
        self._looked = False
        self.output = kept

    async def is_let_in(self) -> bool:
        """Whether it came to its start, where it waits for its program."""
        said = await self._process.stdout.read(len(LET_IN)) if self._process.stdout else b""
        return said == LET_IN

    @property
    def is_seen(self) -> bool:
        """Whether its first process is known, or cannot be."""
        return self._looked or self._stopped.is_set()

    @property
    def is_there(self) -> bool:
        """Whether the attached program has not ended."""
        return self._process.returncode is None

    def begin(self, kept: BothEnds, output_bytes: int) -> None:
        """Count output from here on."""
        self.output, self._output_bytes = kept, output_bytes

    @property
    def pid(self) -> int:
        """The container's first process once it is seen, before it the attached program."""
        return self._first.pid if self._first else self._process.pid

    def see(self, pid: int) -> None:
        """Its first process, where that is one of this machine: the daemon may run in another."""
        self._looked = pid != 0
        if not self._stopped.is_set():
            self._first = FirstProcess.find(pid, self.container)

    async def wait(self) -> None:
        """Return when the command has ended or was stopped; the container may still be there."""
        try:
            await self._wait_for(self._read())
        finally:
            await end(self._process)
            self._kill()
            if self._first:
                self._first.close()

    def _kill(self) -> None:
        if self._first:
            self._first.kill()

    async def _read(self) -> None:
        while self._process.stdout and (data := await self._process.stdout.read(READ_BYTES)):
            self.output.feed(data)
            if self.output.total > self._output_bytes:
                self.stop("output")
                return
        await self._process.wait()
