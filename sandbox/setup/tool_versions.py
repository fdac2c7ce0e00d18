"""Which versions of the tools that checks call a tree has."""

import re
from shlex import quote
from typing import Final

from graph import Environment, FolderCommand
from sandbox.core.prepared_sandbox import prepare_command
from sandbox.core.protocol import WORKSPACE, Sandbox
from sandbox.ecosystems.install_script import parse_report
from sandbox.ecosystems.registry import ECOSYSTEMS

_MARK: Final = "version:"
_OF_FOLDER: Final = "version in "
_MOST_FOLDERS: Final = 4
_PATIENCE_S: Final = 60.0
_LINE: Final = re.compile(rf"{_MARK}[\w.-]{{1,40}} [\w.+-]{{1,60}}")
_SCRIPT: Final = "\n".join(
    (
        f"files=$(git -C {WORKSPACE} ls-files)",
        *(
            f'if grep -qE {quote(f"(^|/)({each.manifests})$")} <<< "$files"; then\n'
            f"{{ {each.versions}\n}} | sed 's/^/{_MARK}/'; fi"
            for each in ECOSYSTEMS
            if each.versions
        ),
    )
)


async def read_versions(sandbox: Sandbox, environment: Environment) -> bytes:
    """A report of steps, each with a version; of folders with tools of their own, else of the top.

    It is told to readers and roles, and decides nothing: installed code could say anything.
    """
    report = b""
    folders = list(environment.paths)[:_MOST_FOLDERS] or [""]
    for folder in reversed(folders):  # of a name that is there twice, the outer one counts
        command = FolderCommand(command=_SCRIPT, folder=folder).shell
        result = await sandbox.run(prepare_command(command, environment), timeout_s=_PATIENCE_S)
        for line in filter(_LINE.fullmatch, result.text.splitlines()):
            name, version = line.split(" ")
            for told in (name, f"{_OF_FOLDER}{folder}:{name.removeprefix(_MARK)}"):
                report += f"{told}\0000\0000\0{version}\0".encode()
    return report


def versions_in(report: bytes) -> dict[str, str]:
    """The versions that a report of steps tells."""
    return {
        name.removeprefix(_MARK): attempt.output
        for name, attempt in parse_report(report).items()
        if name.startswith(_MARK)
    }


def versions_by_folder(report: bytes) -> dict[str, dict[str, str]]:
    """The versions that a report of steps tells of each folder with tools of its own."""
    found: dict[str, dict[str, str]] = {}
    for name, attempt in parse_report(report).items():
        if name.startswith(_OF_FOLDER):
            folder, _, tool = name.removeprefix(_OF_FOLDER).rpartition(":")
            found.setdefault(folder, {})[tool] = attempt.output
    return found
