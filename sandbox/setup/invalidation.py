"""What set-up reads, and whether a change can alter it: then its trees need one of their own.

Installing what manifests and lock files name reads those and the files that they name. Any other
command, such as a build, may read every file. Doubt asks for a set-up anew: that costs time, never
a wrong tree.
"""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from graph import ANY_FILE, Environment, FolderCommand
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.base import Ecosystem, paths_like
from sandbox.ecosystems.install_script import READS_MANIFESTS
from sandbox.ecosystems.registry import ECOSYSTEMS

_READ: Final = paths_like(p for each in ECOSYSTEMS for p in (each.install_reads, each.locks))
_FILE: Final = re.compile(
    rb"^(?:diff --git |--- |\+\+\+ |rename (?:from|to) |copy (?:from|to) )(.*)$", re.MULTILINE
)
_LONGEST: Final = 10_000
_SHELL: Final = frozenset("|;<>`$(){}*?!\n")


def needs_own(environment: Environment, patch: bytes) -> bool:
    """Whether this change may make a difference to what the commands make."""
    return reads_sources(environment) or touches_read(environment, patch)


def touches_read(environment: Environment, patch: bytes) -> bool:
    """Whether this change touches a manifest, a lock file, or a file that they name."""
    named = names_of(environment)
    return any(_touches(line.decode(errors="replace"), named) for line in _FILE.findall(patch))


def reads_sources(environment: Environment) -> bool:
    """Whether one of the commands may read any file."""
    return ANY_FILE in environment.reads or None in _installers(environment.setup)


def names_of(environment: Environment) -> frozenset[str]:
    """Ends of paths that the commands, or the manifests that they read, name."""
    words = (word for each in environment.setup for word in re.split(r"[\s=\"']+", each.command))
    named = {word.rpartition("/")[2] for word in words if re.search(r"\w\.\w", word)}
    return frozenset((*named, *environment.reads))


def is_read(path: str, named: frozenset[str]) -> bool:
    """Whether set-up reads it: a manifest, a lock file, or one that is named."""
    parts = path.split("/")
    ends = ("/".join(parts[at:]) for at in range(len(parts)))
    return _READ.fullmatch(path) is not None or any(map(named.__contains__, ends))


def read_by_setup(environment: Environment, paths: Iterable[str]) -> list[str]:
    """Those of the paths that set-up reads: manifests, lock files, and files that they name."""
    named = names_of(environment)
    return [path for path in paths if environment.setup and is_read(path, named)]


async def has_scripts(sandbox: Sandbox, commands: tuple[FolderCommand, ...]) -> bool:
    """Whether installing also runs scripts of the repository's own projects."""
    for ecosystem in {each.name: each for each in _installers(commands) if each}.values():
        if scripts := ecosystem.install_scripts:
            where = f"{shlex.quote(scripts.files)} {shlex.quote(f'*/{scripts.files}')}"
            found = await sandbox.run(
                f"git grep --cached -qE {shlex.quote(scripts.pattern)} -- {where}"
            )
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
        plain = len(part) <= _LONGEST and bool(shlex.split(part)) and not _SHELL & set(part)
    except ValueError:  # a quote without its end
        return None
    return next((each for each in ECOSYSTEMS if plain and each.installs_only(part, before)), None)


def _touches(line: str, named: frozenset[str]) -> bool:
    """Whether a line of the patch's heads names what set-up reads; a quoted name may be any."""
    return '"' in line or any(is_read(part, named) for part in line.split())
