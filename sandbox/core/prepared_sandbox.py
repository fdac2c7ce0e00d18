"""A sandbox whose commands find what was made ready for their folder."""

import shlex
from collections.abc import Mapping
from typing import Final, Unpack

from graph import Environment, FolderCommand
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.protocol import ExecResult, RunOptions, Sandbox, ServiceUse
from sandbox.core.service_script import with_services
from sandbox.core.shell_command import LONGEST_WORD

NOTHING: Final[Mapping[str, str]] = {}
_OFFLINE: Final[Mapping[str, str]] = {"UV_OFFLINE": "1", "PYTEST_ADDOPTS": "-rfE"}
"""Without a network uv says so at once.

pytest names what failed, whatever the project's configuration has it name; a command's own options
win.
"""


def _run_by_uv(venv: str, told: Mapping[str, str]) -> list[str]:
    """Where `uv run`, as scripts and makefiles call it, finds what set-up made; it makes nothing.

    Without that environment it is as it would be, such as of the project's own `.venv`; so it is
    where the repository's variables tell one.
    """
    if told.keys() & {"UV_PROJECT_ENVIRONMENT", "UV_NO_SYNC"}:
        return []
    found = f"test -x {venv}/bin/python &&"
    return [
        f'UV_PROJECT_ENVIRONMENT="$({found} echo {venv} || echo .venv)"',
        f'UV_NO_SYNC="$({found} echo 1 || echo 0)"',
    ]


class PreparedSandbox(ForwardingSandbox):
    """Another sandbox; programs and variables of the environment come before the system's own.

    A command that begins with `cd FOLDER &&` finds those of that folder.
    """

    def __init__(self, inner: Sandbox, environment: Environment, *, offline: bool = True) -> None:
        super().__init__(inner)
        self._environment = environment
        self._always = _OFFLINE if offline else NOTHING

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        use = options.pop("services", None)
        prepared = prepare_command(command, self._environment, self._always, use=use)
        return await super().run(prepared, **options)


def prepare_command(
    command: str,
    environment: Environment,
    always: Mapping[str, str] = NOTHING,
    *,
    use: ServiceUse | None = None,
) -> str:
    """The command with what the environment has for its folder, and its services where used."""
    folder = FolderCommand(command=command).folder
    words = [
        f"{name}={shlex.quote(value)}"
        for name, value in {**always, **environment.variables}.items()
    ]
    if paths := environment.paths_in(folder):
        words.append(f'PATH={shlex.quote(":".join(paths))}:"$PATH"')
        for venv in map(shlex.quote, environment.venvs_in(folder)[:1]):
            uv = _run_by_uv(venv, environment.variables) if always else []
            words += [f"VIRTUAL_ENV={venv}", *uv]
    if use and environment.services:
        served = with_services(command, environment.services, needed=use == "needed")
        return f"export {' '.join(words)}\n{served}" if words else served
    if not words:
        return command
    if len(command) * 4 > LONGEST_WORD:  # too long to be one word, however it is quoted
        return f"export {' '.join(words)}\n{command}"
    return f"{' '.join(words)} exec /bin/bash -c {shlex.quote(command)} bash"
