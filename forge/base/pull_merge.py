"""A pull request merged with the branch that it goes to, where the two conflict.

The run's base is then the newest commit of that branch, and the pull request is the change: a gate
and a reviewer see what it changes, and not what the branch has gained meanwhile.
"""

import asyncio
from typing import Final

from forge.base.pull_ground import describe_ground
from forge.git.apply_patch import PATCH, compare, prepare_objects, read_change
from forge.git.command import Git
from forge.git.merge_trees import MergedTrees, Side, TreeConflict, merge_trees
from graph import Base, Change, Commit, Finding, RunFolder
from graph.errors import PatchTooLarge
from graph.files import store_change

_MOST_FINDINGS: Final = 40
_LONGEST_LINE: Final = 500
_TITLE: Final = "Merge {branch}"
_SHORT: Final = 10


def branch_tip(base: Base) -> str:
    """The commit that the run's own is added to."""
    merged = base.pull and base.pull.merged
    return merged.sha if merged else base.sha


def conflict_sides(base: Base) -> tuple[str, ...]:
    """Names of the two sides in markers of conflicts; empty where nothing is merged."""
    if not (base.pull and base.pull.merged):
        return ()
    return (f"pull-request-{base.pull.merged.sha[:_SHORT]}", f"base-{base.sha[:_SHORT]}")


async def merge_ground(
    git: Git, run: RunFolder, base: Base
) -> tuple[Base, Change, tuple[Finding, ...]]:
    """The base branch as the base, the merged pull request as its change, and the conflicts.

    `base` is a pull request's head. Raises PatchTooLarge, PatchUnusable.
    """
    assert base.pull
    assert base.trusted
    head = Commit(sha=base.sha, tree=base.tree)
    pull = base.pull.model_copy(update={"merged": head})
    onto = base.model_copy(update=base.trusted.model_dump() | {"pull": pull})
    await describe_ground(git, run, onto)
    await asyncio.to_thread(prepare_objects, run)
    ours, theirs = conflict_sides(onto)
    sides = Side(ours, head.tree), Side(theirs, onto.tree)
    merged = await merge_trees(git, run, pull.start.tree, *sides)
    if merged is None:
        raise PatchTooLarge(f"The merge with {base.branch} needs more than git may use.")
    return onto, await _read_merged(git, run, onto, merged), _findings(merged.conflicts)


async def _read_merged(git: Git, run: RunFolder, onto: Base, merged: MergedTrees) -> Change:
    patch = await compare(git, run, *PATCH, onto.tree, merged.tree)
    ref = await asyncio.to_thread(store_change, run, 0, "pull", patch)
    change = await read_change(git, run, onto, ref)
    return change.model_copy(update={"title": _TITLE.format(branch=onto.branch)})


def _findings(conflicts: tuple[TreeConflict, ...]) -> tuple[Finding, ...]:
    """A line each, whatever paths hold; of a path only that it is one line long is known."""
    return tuple(
        Finding(
            severity="error",
            path=_one_line(each.paths[0]) if each.paths else None,
            message=_one_line(each.message),
        )
        for each in conflicts[:_MOST_FINDINGS]
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_LINE]
