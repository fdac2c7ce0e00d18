"""A sandbox that starts programs: commands, and reading and writing of files, are some of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Unpack

from sandbox.core.file_access import read_file, write_file
from sandbox.core.protocol import ExecResult, RunOptions, Sandbox
from sandbox.core.shell_command import NO_COMMAND, NOTHING, shell_command


class ExecutingSandbox(Sandbox, ABC):
    """What is abstract here is what a backend has to implement, with `close`."""

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        shell = shell_command(command)
        if shell is None:
            return NO_COMMAND
        return await self.execute(shell.program, files=shell.files, **options)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    @abstractmethod
    async def execute(
        self,
        program: Sequence[str],
        *,
        files: Mapping[str, bytes] = NOTHING,
        **options: Unpack[RunOptions],
    ) -> ExecResult:
        """Run a program, with `files` put into the sandbox for it."""
