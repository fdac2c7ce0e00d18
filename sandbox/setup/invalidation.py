"""Whether a change can alter what set-up makes: then its trees need a set-up of their own.

Installing what manifests and lock files name reads those alone. Any other command, such as a
build, may read every file. Doubt asks for a set-up of its own: that costs time, never a wrong tree.
"""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from graph import FolderCommand
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.base import Ecosystem, paths_like
from sandbox.ecosystems.install_script import READS_MANIFESTS
from sandbox.ecosystems.registry import ECOSYSTEMS

_READ: Final = paths_like(p for each in ECOSYSTEMS for p in (each.install_reads, each.locks))
_FILE: Final = re.compile(
    rb"^(?:diff --git |--- |\+\+\+ |rename (?:from|to) |copy (?:from|to) )(.*)$", re.MULTILINE
)
_SHELL: Final = frozenset("|;<>`$(){}*?!\n")


def needs_own(commands: tuple[FolderCommand, ...], patch: bytes) -> bool:
    """Whether this change may make a difference to what the commands make."""
    if None in _installers(commands):
        return True
    named = _named(commands)
    return any(_touches(line.decode(errors="replace"), named) for line in _FILE.findall(patch))


def read_by_setup(commands: tuple[FolderCommand, ...], paths: Iterable[str]) -> list[str]:
    """Those of the paths that set-up reads: manifests, lock files, and files that it names."""
    named = _named(commands)
    return [path for path in paths if commands and _is_read(path, named)]


async def has_scripts(sandbox: Sandbox, commands: tuple[FolderCommand, ...]) -> bool:
    """Whether installing also runs scripts of the repository's own projects."""
    for ecosystem in {each.name: each for each in _installers(commands) if each}.values():
        if scripts := ecosystem.install_scripts:
            where = f"{shlex.quote(scripts.files)} {shlex.quote(f'*/{scripts.files}')}"
            found = await sandbox.run(f"git grep -qE {shlex.quote(scripts.pattern)} -- {where}")
            if found.exit_code != 1:
                return True
    return False


def _installers(commands: tuple[FolderCommand, ...]) -> list[Ecosystem | None]:
    """Whose projects each part of the commands installs; None where it may do anything else."""
    found: list[Ecosystem | None] = []
    before: defaultdict[str, list[str]] = defaultdict(list)
    for command in commands:
        if command.command.startswith(READS_MANIFESTS):
            continue
        for part in map(str.strip, command.command.split("&&")):
            found.append(_installer(part, before[command.folder]))
            before[command.folder].append(part)
    return found


def _installer(part: str, before: list[str]) -> Ecosystem | None:
    try:
        plain = bool(shlex.split(part)) and not _SHELL & set(part)
    except ValueError:  # a quote without its end
        return None
    return next((each for each in ECOSYSTEMS if plain and each.installs_only(part, before)), None)


def _named(commands: tuple[FolderCommand, ...]) -> set[str]:
    """Words that may name files, by their last part."""
    words = (word for each in commands for word in re.split(r"[\s=\"']+", each.command))
    return {word.rpartition("/")[2] for word in words if re.search(r"\w\.\w", word)}


def _touches(line: str, named: set[str]) -> bool:
    """Whether a line of the patch's heads names what set-up reads; a quoted name may be any."""
    return '"' in line or any(_is_read(part, named) for part in line.split())


def _is_read(path: str, named: set[str]) -> bool:
    return path.rpartition("/")[2] in named or _READ.fullmatch(path) is not None
