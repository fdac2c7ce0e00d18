"""A base branch that moved while the run worked, and the change put onto where it is now.

The newer commit gets a repository of its own in the run's folder, made as the first one was. The
merge is one of trees, told the run's base as what both sides come from: the history between is not
here. What it makes lies with the run's own objects.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from forge.base.bare_repository import Head, Tip, read_head, read_shallow
from forge.base.cache import KeptBases, Origin
from forge.base.clone import clone
from forge.base.pull_ground import GroundMaker, describe_ground
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress
from forge.git.apply_patch import PATCH, compare, prepare_objects, read_change, shown_path
from forge.git.command import Git, GitResult
from forge.git.environment import run_objects
from forge.git.identity import NOBODY, identity
from forge.git.push import branch_head
from graph import Base, Change, ChangeOnNewBase, Emit, Publication, RunFolder
from graph.errors import BranchNotFound, PatchTooLarge, PatchUnusable, PullRequestMoved
from graph.files import store_change, write_whole

_MERGE: Final = ("merge-tree", "--write-tree", "--no-messages", "--name-only", "-z")
_ATTRIBUTES: Final = b"* -text -ident -filter merge=text !diff !eol -working-tree-encoding\n"
_NOBODY: Final = identity(NOBODY)
_MAX_PATHS: Final = 20
_CLEAN, _CONFLICT = 0, 1


@dataclass(frozen=True)
class RebaseContext:
    """What it takes to look at the branch that a change starts from.

    `address` is the repository that the branch is in. What is `pushed` there is the run's own.
    `kept` as for the first base.
    """

    git: Git
    forge: Forge
    kept: KeptBases | None
    address: RepoAddress
    run: RunFolder
    emit: Emit
    pushed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class BaseMovement:
    """Where the base branch is now. `merges` is None where that could not be tried.

    `rebased` is the change there, where the publication asked for it and it fits.
    """

    sha: str
    merges: bool | None
    conflicts: tuple[str, ...] = ()
    rebased: ChangeOnNewBase | None = None


async def find_base_movement(
    context: RebaseContext, publication: Publication
) -> BaseMovement | None:
    """None where the branch stands as the run took it. Raises BranchNotFound, ForgeError."""
    base, branch = publication.base, _followed_branch(publication.base)
    head = await branch_head(
        context.git, context.address, branch, context.emit, context.forge.retry_policy
    )
    if not head:
        raise BranchNotFound(
            f"{context.address.full_name} has no branch {branch} any more; nothing was pushed.",
            "Restore the branch, then resume the run, or start a new run on another.",
        )
    if head == base.sha or head in context.pushed:
        return None
    newer = await _make_newer_base(context, base, head)
    movement = None
    try:
        movement = await _try_merge(context, publication, newer)
    finally:
        if movement is None or movement.rebased is None:
            await asyncio.to_thread(_delete_base, context.run, newer)
    return movement


def with_base_moved_note(publication: Publication, movement: BaseMovement | None) -> Publication:
    """The publication with what a reader must know of it; a conflict makes a draft."""
    if movement is None:
        return publication
    base, moved = publication.base, _say_moved(publication.base, movement.sha)
    if movement.merges is False:
        paths = ", ".join(movement.conflicts)
        remaining = (
            *publication.remaining,
            f"{moved}, and the change conflicts with it in: {paths}",
        )
        return publication.model_copy(update={"draft": True, "remaining": remaining})
    fits = "it was not tried whether the change merges into it"
    if movement.merges:
        fits = "the change merges into it without a conflict"
    note = f"{moved}; {fits}. It was validated and reviewed on {base.sha[:10]}."
    noted = base.model_copy(update={"notes": (*base.notes, note)})
    return publication.model_copy(update={"base": noted})


def check_pull_stands(base: Base, movement: BaseMovement | None) -> None:
    """Raise PullRequestMoved where the change cannot be added to a pull request as it is now."""
    if movement is None:
        return
    moved = _say_moved(base, movement.sha)
    if movement.merges is False:
        paths = ", ".join(movement.conflicts)
        raise PullRequestMoved(f"{moved}, and the change conflicts with it in: {paths}.")
    raise PullRequestMoved(f"{moved}, and the change was not judged there.")


def _followed_branch(base: Base) -> str:
    return base.pull.head_branch if base.pull else base.branch


def _say_moved(base: Base, sha: str) -> str:
    return f"{_followed_branch(base)} moved from {base.sha[:10]} to {sha[:10]} while the run worked"


async def _make_newer_base(context: RebaseContext, base: Base, head: str) -> Base:
    """The newest commit as a base; what an attempt before left in its place is not used."""
    newer = base.model_copy(update={"moved": base.moved + 1})
    place = context.run.git_of(newer)
    await asyncio.to_thread(_delete_base, context.run, newer)
    if base.pull:
        return await _make_newer_ground(context, base, newer)
    cut_at = await asyncio.to_thread(read_shallow, context.run.git_of(base))
    if context.kept:
        facts = await context.forge.repository(base.full_name, context.emit)
        origin = Origin(context.git, context.forge, context.address, facts.number, context.emit)
        await context.kept.make_base(origin, Tip(base.branch, head), place, cut_at=cut_at)
    else:
        await clone(
            context.git,
            context.address,
            base.branch,
            base_git=place,
            cut_at=cut_at,
            emit=context.emit,
            retry_policy=context.forge.retry_policy,
        )
    return _with_head(base, newer, await read_head(context.git, place, base.full_name))


async def _make_newer_ground(context: RebaseContext, base: Base, newer: Base) -> Base:
    """The pull request's head as it is now."""
    ref = f"refs/heads/{_followed_branch(base)}"
    maker = GroundMaker(context.git, context.forge, context.address, ref, context.emit)
    older_git, place = context.run.git_of(base), context.run.git_of(newer)
    newer = _with_head(base, newer, await maker.make_newer(older_git, place, base.full_name))
    await describe_ground(context.git, context.run, newer)
    return newer


def _with_head(base: Base, newer: Base, found: Head) -> Base:
    note = f"{_say_moved(base, found.sha)}; the change was put onto it and judged there."
    notes = tuple(dict.fromkeys((*base.notes, *found.notes, note)))
    return newer.model_copy(update={"sha": found.sha, "tree": found.tree, "notes": notes})


def _delete_base(run: RunFolder, newer: Base) -> None:
    """Remove a base that no state of the run names."""
    place = run.git_of(newer)
    gone = run.root / f".gone-{secrets.token_hex(6)}"
    if place.exists():
        place.rename(gone)
        prepare_objects(run)
        shutil.rmtree(gone, ignore_errors=True)


async def _try_merge(context: RebaseContext, publication: Publication, newer: Base) -> BaseMovement:
    git, run, base, change = context.git, context.run, publication.base, publication.change
    await asyncio.to_thread(prepare_objects, run)
    async with _merging(git, run) as merging:
        common = await merging.commit(base.tree)
        theirs = await merging.commit(newer.tree, common)
        ours = await merging.commit(change.tree, common)
        merged = await merging.merge(theirs, ours)
    if merged.over or merged.exit_code not in (_CLEAN, _CONFLICT):
        return BaseMovement(newer.sha, merges=None)
    tree, *names = merged.stdout.split(b"\0")
    if merged.exit_code == _CONFLICT:
        paths = tuple(dict.fromkeys(shown_path(name) for name in names if name))
        return BaseMovement(newer.sha, merges=False, conflicts=paths[:_MAX_PATHS])
    rebased = None
    if publication.rebase_step is not None:
        step, sha = publication.rebase_step, tree.decode()
        rebased = await _read_rebased(git, run, newer, sha, step, change)
    return BaseMovement(newer.sha, merges=True, rebased=rebased)


async def _read_rebased(
    git: Git, run: RunFolder, newer: Base, tree: str, step: int, change: Change
) -> ChangeOnNewBase | None:
    """The change as a patch of the newer base, read as one of a role is; None where that fails."""
    if tree == newer.tree:
        return ChangeOnNewBase(base=newer, change=None)
    patch = await compare(git, run, *PATCH, newer.tree, tree)
    ref = await asyncio.to_thread(store_change, run, step, "rebase", patch)
    try:
        read = await read_change(git, run, newer, ref)
    except (PatchTooLarge, PatchUnusable):
        return None
    texts = {"title": change.title, "summary": change.summary}
    return (
        ChangeOnNewBase(base=newer, change=read.model_copy(update=texts))
        if read.tree == tree
        else None
    )


@dataclass(frozen=True)
class _Merging:
    """A repository that has the run's objects and merges by contents alone."""

    git: Git
    git_dir: str
    objects: dict[str, str]

    async def commit(self, tree: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        sha = await self.git.output(
            *("commit-tree", tree, *words, "-m", "trial"),
            git_dir=self.git_dir,
            environment={**self.objects, **_NOBODY},
        )
        return sha.decode().strip()

    async def merge(self, theirs: str, ours: str) -> GitResult:
        return await self.git.run(
            *_MERGE, theirs, ours, git_dir=self.git_dir, environment=self.objects
        )


@asynccontextmanager
async def _merging(git: Git, run: RunFolder) -> AsyncIterator[_Merging]:
    place = run.root / f".merge-{secrets.token_hex(6)}"
    try:
        await git.output("init", "--quiet", "--bare", "--template=", str(place))
        await asyncio.to_thread(write_whole, place / "info" / "attributes", _ATTRIBUTES)
        yield _Merging(git, str(place), run_objects(str(run.objects)))
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
