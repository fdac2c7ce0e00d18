"""A command that runs in a warm container."""

import asyncio
from collections.abc import AsyncIterator

from graph.errors import SandboxError
from sandbox.backends.container.wire import ExecAnswer, ExecRequest, read_answer
from sandbox.backends.docker.stoppable import Stoppable
from sandbox.backends.docker.warm_container import WarmContainer
from sandbox.core.output import BothEnds

_ANSWER_BYTES = 64 * 1024
_LOST = "the sandbox was lost: "
"""Errors of a fork server begin so, and who tells the loss says it too."""


class WarmExecution(Stoppable):
    """Await `wait()`; `stop` ends it at any time, and its container with it."""

    def __init__(
        self, container: WarmContainer, request: ExecRequest, given: bytes, output: BothEnds
    ) -> None:
        super().__init__()
        self._container = container
        self._request = request
        self._given = given
        self.output = output
        self.answer: ExecAnswer | None = None

    @property
    def pid(self) -> int:
        return self._container.pid

    @property
    def is_over(self) -> bool:
        """Whether it ended by itself, and nothing of it runs any more."""
        return self.answer is not None and self.limit is None

    @property
    def is_clean(self) -> bool:
        """Whether its container is then as it was before."""
        answer = self.answer
        return bool(self.is_over and answer and not (answer.left or answer.memory_kills))

    async def wait(self) -> None:
        """Return when the command has ended or was stopped."""
        exchange = await self._wait_for(self._exchange())
        if not exchange.cancelled():
            exchange.result()

    def _kill(self) -> None:
        self._container.kill()

    async def _exchange(self) -> None:
        told = BothEnds(_ANSWER_BYTES)
        try:
            supervisor = self._container.server.start(self._request, self._request.answer_within_s)
            await supervisor.write(self._given)
            await asyncio.gather(
                self._read(supervisor.stdout(), self.output, self._request.output_bytes),
                self._read(supervisor.stderr(), told, _ANSWER_BYTES),
            )
            answer = read_answer(told.kept, self.output)
        except SandboxError as error:
            if not self._stopped.is_set():
                self.loss = error.message.removeprefix(_LOST)
            return
        if not self._stopped.is_set():
            self.answer, self.limit = answer, answer.result.limit

    async def _read(self, stream: AsyncIterator[bytes], kept: BothEnds, most: int) -> None:
        async for data in stream:
            kept.feed(data)
            if kept.total > most:
                self.stop("output")
