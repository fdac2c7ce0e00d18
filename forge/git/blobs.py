"""Objects of the trusted repository, read by GitPython; imported at first use, in a thread.

GitPython merges its process's environment into git's, so it reads objects here and starts nothing
else. It never meets a work tree, a hook or a config that is not ours.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from forge.git.command import LOCAL
from forge.git.environment import ENVIRONMENT, run_objects
from graph import RunFolder
from graph.errors import StoreDamaged

if TYPE_CHECKING:
    import git


class Blobs(Protocol):
    """File contents by their object id."""

    def size(self, sha: str) -> int:
        """How many bytes the file has."""
        ...

    def read(self, sha: str) -> bytes:
        """The file's bytes."""
        ...


class TrustedBlobs(Blobs):
    """Blobs of a run: those of the base and those of its changes."""

    def __init__(self, repository: "git.Repo") -> None:
        self._objects = repository.odb

    def size(self, sha: str) -> int:
        return int(self._objects.info(bytes.fromhex(sha)).size)

    def read(self, sha: str) -> bytes:
        return bytes(self._objects.stream(bytes.fromhex(sha)).read())


@contextmanager
def open_blobs(run: RunFolder) -> Iterator[TrustedBlobs]:
    """The blobs of a run, to be used in one thread. Raises StoreDamaged."""
    import git

    try:
        repository = git.Repo(run.base_git, expand_vars=False)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise StoreDamaged("The base repository of the run is gone.") from None
    repository.git.update_environment(**ENVIRONMENT, **run_objects(str(run.objects)))
    try:
        _limit(repository)
        yield TrustedBlobs(repository)
    except (ValueError, git.GitCommandError, git.BadObject) as error:
        raise StoreDamaged(
            f"Objects of the change cannot be read ({type(error).__name__})."
        ) from None
    finally:
        repository.close()


def _limit(repository: "git.Repo") -> None:
    """Hold the two processes that read objects for GitPython to what every git command may use."""
    if sys.platform != "linux":
        return
    program = repository.git
    program.get_object_header("HEAD")
    program.get_object_data("HEAD")
    for process in (program.cat_file_header, program.cat_file_all):
        if process is not None and process.proc is not None:
            LOCAL.hold(process.proc.pid)
