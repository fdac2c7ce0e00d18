"""A container that others run, and a process in it, as far as commands need them."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class Process(Protocol):
    """A process in a container. Every call raises SandboxError where it cannot be carried out."""

    def stdout(self) -> AsyncIterator[bytes]: ...

    def stderr(self) -> AsyncIterator[bytes]: ...

    async def write(self, data: bytes) -> None:
        """Give it input."""
        ...

    async def end_input(self) -> None: ...

    async def wait(self) -> int | None:
        """Its exit code; None where its time was over before."""
        ...


class Container(Protocol):
    """Where processes are started. Every call raises SandboxError."""

    async def start(self, argv: Sequence[str], *, timeout_s: int | None) -> Process:
        """Without `timeout_s` (seconds) a process may go on for as long as the container does."""
        ...

    async def end(self) -> None:
        """Kill everything in it; it is gone."""
        ...
