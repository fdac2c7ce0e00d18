"""Whether the base branch moved while the run worked, and whether the change still fits there."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.change_reader import shown_path
from forge.progress import commit_tree, identity
from forge.push import branch_head
from forge.repo_url import RepoAddress
from forge.retries import Patience, repeated
from forge.runner import Git
from forge.transfer_errors import transfer_error
from graph.errors import BranchNotFound
from graph.events import Emit
from graph.run_folder import RunFolder
from graph.services import Publication
from graph.values import Base, Change

_NEWEST: Final = "refs/newest"
_FETCH: Final = (
    *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"),
    "--no-write-fetch-head",
)
_MERGE: Final = ("merge-tree", "--write-tree", "--no-messages", "--name-only", "-z")
_ATTRIBUTES: Final = b"* -text -ident -filter merge=text !diff !eol -working-tree-encoding\n"
_NOBODY: Final = identity("")
_MAX_PATHS: Final = 20
_CLEAN, _CONFLICT = 0, 1


@dataclass(frozen=True)
class BaseMovement:
    """Where the base branch is now. `merges` is None where that could not be tried."""

    sha: str
    merges: bool | None
    conflicts: tuple[str, ...] = ()


async def base_movement(
    git: Git,
    address: RepoAddress,
    run: RunFolder,
    base: Base,
    change: Change,
    emit: Emit,
    patience: Patience,
) -> BaseMovement | None:
    """None where the branch stands as the run took it. Raises BranchNotFound, GitHubError."""
    head = await branch_head(git, address, base.branch, emit, patience)
    if not head:
        raise BranchNotFound(
            f"{base.full_name} has no branch {base.branch} any more; nothing was pushed.",
            "Restore the branch, then resume the run, or start a new run on another.",
        )
    if head == base.sha:
        return None
    async with _scratch(git, run) as scratch:
        trial = _Trial(git, run, scratch)

        async def fetched() -> str:
            return await trial.fetch(address, base.branch)

        sha = await repeated(fetched, what="git fetch", emit=emit, patience=patience)
        return await trial.merge(sha, base, change)


def told_of_movement(publication: Publication, movement: BaseMovement | None) -> Publication:
    """The publication with what a reader must know of it; a conflict makes a draft."""
    if movement is None:
        return publication
    base = publication.base
    moved = f"{base.branch} moved from {base.sha[:10]} to {movement.sha[:10]} while the run worked"
    if movement.merges is False:
        paths = ", ".join(movement.conflicts)
        left = (*publication.left, f"{moved}, and the change conflicts with it in: {paths}")
        return publication.model_copy(update={"draft": True, "left": left})
    fits = "it was not tried whether the change merges into it"
    if movement.merges:
        fits = "the change merges into it without a conflict"
    note = f"{moved}; {fits}. It was validated and reviewed on {base.sha[:10]}."
    noted = base.model_copy(update={"notes": (*base.notes, note)})
    return publication.model_copy(update={"base": noted})


@dataclass(frozen=True)
class _Trial:
    """A three-way merge in a repository of its own, which has the run's objects as well."""

    git: Git
    run: RunFolder
    scratch: Path

    async def fetch(self, address: RepoAddress, branch: str) -> str:
        result = await self.git.transfer(
            *_FETCH,
            "--",
            address.clone_url,
            f"+refs/heads/{branch}:{_NEWEST}",
            git_dir=str(self.scratch),
        )
        if not result.ok:
            raise transfer_error(result, address.full_name)
        sha = await self.git.output("rev-parse", _NEWEST, git_dir=str(self.scratch))
        return sha.decode().strip()

    async def merge(self, sha: str, base: Base, change: Change) -> BaseMovement:
        """Both sides are given the run's base as their parent: the history between is not here."""
        theirs = await self._commit(f"{sha}^{{tree}}", base.sha)
        ours = await commit_tree(
            self.git, self.run, change.tree, parent=base.sha, message="trial", author=""
        )
        merged = await self.git.run(*_MERGE, theirs, ours, git_dir=str(self.scratch))
        if merged.over or merged.exit_code not in (_CLEAN, _CONFLICT):
            return BaseMovement(sha, merges=None)
        names = [] if merged.exit_code == _CLEAN else merged.stdout.split(b"\0")[1:]
        paths = tuple(dict.fromkeys(shown_path(name) for name in names if name))
        return BaseMovement(sha, merged.exit_code == _CLEAN, paths[:_MAX_PATHS])

    async def _commit(self, tree: str, parent: str) -> str:
        sha = await self.git.output(
            *("commit-tree", tree, "-p", parent, "-m", "trial"),
            git_dir=str(self.scratch),
            environment=_NOBODY,
        )
        return sha.decode().strip()


@asynccontextmanager
async def _scratch(git: Git, run: RunFolder) -> AsyncIterator[Path]:
    """A bare repository in the run's folder for as long as it takes; the base's is not written."""
    folder = await asyncio.to_thread(
        tempfile.TemporaryDirectory, dir=run.root, prefix=".newer-", ignore_cleanup_errors=True
    )
    try:
        scratch = Path(folder.name)
        await git.output("init", "--quiet", "--bare", str(scratch))
        await asyncio.to_thread(_borrow, scratch, run)
        yield scratch
    finally:
        await asyncio.to_thread(folder.cleanup)


def _borrow(scratch: Path, run: RunFolder) -> None:
    """Let the new repository see the run's objects, and where the base's history was cut."""
    (scratch / "info").mkdir(exist_ok=True)
    (scratch / "info" / "attributes").write_bytes(_ATTRIBUTES)
    objects = (run.base_git / "objects", run.objects)
    alternates = scratch / "objects" / "info" / "alternates"
    alternates.write_text("".join(f"{path}\n" for path in objects))
    shallow = run.base_git / "shallow"
    if shallow.exists():
        (scratch / "shallow").write_bytes(shallow.read_bytes())
