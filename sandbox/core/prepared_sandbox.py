"""A sandbox whose commands find what was made ready for their folder."""

import shlex
from typing import Final, Unpack

from graph import Environment, FolderCommand
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.protocol import ExecResult, RunOptions, Sandbox
from sandbox.core.shell_command import LONGEST_WORD

_ALWAYS: Final = {"UV_OFFLINE": "1"}
"""Outside of set-up there is no network: uv says so at once."""


class PreparedSandbox(ForwardingSandbox):
    """Another sandbox; programs and variables of the environment come before the system's own.

    A command that begins with `cd FOLDER &&` finds those of that folder.
    """

    def __init__(self, inner: Sandbox, environment: Environment) -> None:
        super().__init__(inner)
        self._environment = environment

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        return await super().run(prepare_command(command, self._environment, _ALWAYS), **options)


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
