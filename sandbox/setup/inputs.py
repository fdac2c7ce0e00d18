"""What set-up reads of a base, as one digest: while that is the same, what it made serves.

Nothing of the repository has run in the tree that is asked: its index is the base's own.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from graph import Environment
from graph.errors import SandboxError
from sandbox.core.protocol import Sandbox
from sandbox.setup.invalidation import has_scripts, is_read, names_of, reads_sources

_FORM: Final = 2
_MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class BaseFiles:
    """The files of a base: pairs of path, and mode with the id of its contents."""

    entries: tuple[tuple[str, str], ...]

    def key(self, environment: Environment, *, scripts: bool = False) -> str:
        """The name of what the commands make of these files; `scripts`: installing runs some."""
        listed = sha256()
        for path, blob in self._read(environment, scripts=scripts):
            listed.update(f"{blob} {path}\0".encode(errors="surrogateescape"))
        made_by = [
            _FORM,
            [command.shell for command in environment.setup],
            {folder: list(paths) for folder, paths in environment.paths.items()},
            dict(environment.variables),
            [service.model_dump() for service in environment.services],
            environment.image,
            listed.hexdigest(),
        ]
        return sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()

    def _read(self, environment: Environment, *, scripts: bool) -> Iterator[tuple[str, str]]:
        """All of them where doubt remains; a link may lead to any."""
        named = names_of(environment)
        read = [entry for entry in self.entries if is_read(entry[0], named)]
        linked = any(blob.startswith("120000") for _, blob in read)
        everything = scripts or linked or reads_sources(environment)
        yield from self.entries if everything else read


async def environment_key(sandbox: Sandbox, files: BaseFiles, environment: Environment) -> str:
    """The key of an environment that is made of these files. Raises SandboxLost."""
    scripts = await has_scripts(sandbox, environment.setup)
    return await asyncio.to_thread(files.key, environment, scripts=scripts)


async def list_files(sandbox: Sandbox) -> BaseFiles:
    """Reads the index of a tree that was just made. Raises SandboxError."""
    result = await sandbox.run("git ls-files -s -z", keep_bytes=_MOST_BYTES)
    while result.lost:
        result = await sandbox.run("git ls-files -s -z", keep_bytes=_MOST_BYTES)
    if result.exit_code != 0 or result.dropped:
        raise SandboxError(f"The files of the base cannot be listed: {result.reason[-500:]}")
    return await asyncio.to_thread(_files_of, result.output)


def _files_of(listed: bytes) -> BaseFiles:
    lines = listed.decode(errors="surrogateescape").split("\0")
    parts = (line.partition("\t") for line in lines if line)
    return BaseFiles(tuple(sorted((path, blob) for blob, _, path in parts)))
