"""A sandbox whose commands find what was made ready for their folder."""

import shlex
from typing import Final

from graph import Environment, FolderCommand
from sandbox.core.protocol import ExecResult, Sandbox
from sandbox.core.shell_command import LONGEST_WORD

_ALWAYS: Final = {"UV_OFFLINE": "1"}
"""Outside of set-up there is no network: uv says so at once."""


class PreparedSandbox(Sandbox):
    """Another sandbox; programs and variables of the environment come before the system's own.

    A command that begins with `cd FOLDER &&` finds those of that folder.
    """

    def __init__(self, inner: Sandbox, environment: Environment) -> None:
        self._inner = inner
        self._environment = environment

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        prepared = prepare_command(command, self._environment, _ALWAYS)
        return await self._inner.run(
            prepared, timeout_s=timeout_s, stdin=stdin, keep_bytes=keep_bytes
        )

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await self._inner.read(path, max_bytes=max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await self._inner.write(path, data)

    async def close(self) -> None:
        await self._inner.close()


def prepare_command(
    command: str, environment: Environment, always: dict[str, str] | None = None
) -> str:
    """The command with what the environment has for its folder."""
    folder = FolderCommand(command=command).folder
    words = [
        f"{name}={shlex.quote(value)}"
        for name, value in {**(always or {}), **environment.variables}.items()
    ]
    if paths := environment.paths_in(folder):
        words.append(f'PATH={shlex.quote(":".join(paths))}:"$PATH"')
        words += [f"VIRTUAL_ENV={shlex.quote(venv)}" for venv in environment.venvs_in(folder)[:1]]
    if not words:
        return command
    if len(command) * 4 > LONGEST_WORD:  # too long to be one word, however it is quoted
        return f"export {' '.join(words)}\n{command}"
    return f"{' '.join(words)} exec /bin/bash -c {shlex.quote(command)} bash"
