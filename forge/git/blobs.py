"""Objects of the trusted repository, read by one git process, in a thread."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from forge.git.command import LOCAL
from forge.git.environment import ENVIRONMENT, options, run_objects
from graph import RunFolder
from graph.errors import StoreDamaged


class Blobs(Protocol):
    """File contents by their object id."""

    def size(self, sha: str) -> int:
        """How many bytes the file has."""
        ...

    def read(self, sha: str) -> bytes:
        """The file's bytes."""
        ...


class TrustedBlobs(Blobs):
    """Blobs of a run: those of the base and those of its changes. Raises StoreDamaged."""

    def __init__(self, asked: IO[bytes], answers: IO[bytes]) -> None:
        self._asked = asked
        self._answers = answers

    def size(self, sha: str) -> int:
        return self._ask("info", sha)

    def read(self, sha: str) -> bytes:
        size = self._ask("contents", sha)
        content = self._answers.read(size + 1)  # and a line's end
        if len(content) <= size:
            raise _damaged(sha)
        return content[:-1]

    def _ask(self, command: str, sha: str) -> int:
        """The size that git answers with, behind object id and type."""
        try:
            self._asked.write(f"{command} {sha}\n".encode())
            self._asked.flush()
            _, _, size = self._answers.readline().split()
            return int(size)
        except (BrokenPipeError, ValueError):
            raise _damaged(sha) from None


@contextmanager
def open_blobs(run: RunFolder) -> Iterator[TrustedBlobs]:
    """The blobs of a run, to be used in one thread."""
    git = ["git", *options(), f"--git-dir={run.base_git}", "cat-file", "--batch-command"]
    with subprocess.Popen(
        [*LOCAL.command(private=True), *git],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**ENVIRONMENT, **run_objects(str(run.objects))},
        cwd="/",
    ) as process:
        assert process.stdin
        assert process.stdout
        yield TrustedBlobs(process.stdin, process.stdout)


def _damaged(sha: str) -> StoreDamaged:
    return StoreDamaged(f"The object {sha} of the change cannot be read.")
