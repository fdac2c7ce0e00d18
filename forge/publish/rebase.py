"""A base branch that moved while the run worked, and the change put onto where it is now.

The newer commit gets a repository of its own in the run's folder, made as the first one was. The
merge is one of trees, told the run's base as what both sides come from: the history between is not
here. What it makes lies with the run's own objects.
"""

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from typing import Final

from forge.base.bare_repository import Head, Tip, read_head, read_shallow
from forge.base.cache import KeptBases, Origin
from forge.base.clone import clone
from forge.base.pull_ground import GroundMaker, describe_ground
from forge.base.pull_merge import branch_tip
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress
from forge.git.apply_patch import PATCH, compare, prepare_objects, read_change
from forge.git.command import Git
from forge.git.merge_trees import Side, merge_trees
from forge.git.push import branch_head
from graph import Base, Change, ChangeOnNewBase, Emit, Publication, RunFolder
from graph.errors import BranchNotFound, PatchTooLarge, PatchUnusable, PullRequestMoved
from graph.files import store_change

_MAX_PATHS: Final = 20


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
    if head == branch_tip(base) or head in context.pushed:
        return None
    if base.pull and base.pull.merged:
        raise PullRequestMoved(f"{_say_moved(base, head)}, and the merge is not of that commit.")
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
    before = branch_tip(base)[:10]
    return f"{_followed_branch(base)} moved from {before} to {sha[:10]} while the run worked"


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
    sides = (Side("theirs", newer.tree), Side("ours", change.tree))
    merged = await merge_trees(git, run, base.tree, *sides)
    if merged is None:
        return BaseMovement(newer.sha, merges=None)
    if merged.conflicts:
        paths = dict.fromkeys(path for each in merged.conflicts for path in each.paths)
        return BaseMovement(newer.sha, merges=False, conflicts=tuple(paths)[:_MAX_PATHS])
    rebased = None
    if (step := publication.rebase_step) is not None:
        rebased = await _read_rebased(git, run, newer, merged.tree, step, change)
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
