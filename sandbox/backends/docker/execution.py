"""A container that runs, seen through the program attached to it, and as a process of its own."""

import asyncio

from sandbox.backends.docker.argv import LET_IN
from sandbox.backends.docker.cli import end
from sandbox.backends.docker.first_process import FirstProcess
from sandbox.core.output import BothEnds
from sandbox.core.protocol import LimitHit

READ_BYTES = 64 * 1024


class Execution:
    """A command that runs. Await `wait()`; `stop` ends it at any time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        container: str,
        kept: BothEnds,
        output_bytes: int,
    ) -> None:
        """`container` is its id."""
        self._process = process
        self.container = container
        self._output_bytes = output_bytes
        self._stopped = asyncio.Event()
        self._first: FirstProcess | None = None
        self._looked = False
        self.output = kept
        self.limit: LimitHit | None = None
        self.loss = ""

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

    def stop(self, limit: LimitHit | None = None, loss: str = "it was stopped") -> None:
        """Kill everything, at a limit or for another reason; the first one counts."""
        if not self._stopped.is_set():
            self.limit, self.loss = limit, loss
            self._stopped.set()
            self._kill()

    async def wait(self) -> None:
        """Return when the command has ended or was stopped; the container may still be there."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait([reading, stopping])
            await end(self._process)
            self._stopped.set()
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
