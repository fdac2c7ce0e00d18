"""What roles are told of the pull request that a run goes on with."""

from pathlib import Path
from typing import Final

from graph import RoleTask, RunFolder
from roles.briefing import sections as briefing
from roles.briefing.change_diff import ChangeDiff

_MAX_DIFF: Final = 40_000
_HEAD: Final = (
    "You go on with pull request {number}, which goes to the branch {branch}. The base of your tree"
    " is its newest commit."
)
_CHANGE: Final = "The change is pull request {number}, which goes to the branch {branch}."
_MERGED: Final = (
    "The base of your tree is the newest commit of {branch}, and the change was merged with it."
)
_SO_FAR: Final = "This is what it changes so far, seen from where it left that branch:"
_TEXT: Final = (
    "`summary` of `submit_change` becomes the text of the pull request: say what all of it does,"
    " with your change."
)


async def describe_pull_request(runs: Path, task: RoleTask) -> str:
    """The pull request and its whole diff, or nothing.

    Its title, its text and the name of its branch may be a stranger's, and are not told.
    """
    pull = task.base.pull
    if pull is None:
        return ""
    named = {"number": pull.number, "branch": task.base.branch}
    if pull.merged:
        told = briefing.join(_CHANGE.format(**named), _MERGED.format(**named))
        return briefing.join(told, _TEXT if pull.ours and task.role == "fixer" else "")
    if task.change and task.change.role == "pull":
        return _CHANGE.format(**named)
    diff = await ChangeDiff.load(RunFolder.of(runs, task.run_id).diff(0))
    return briefing.join(
        _HEAD.format(**named),
        briefing.join(_SO_FAR, await briefing.diff(diff, _MAX_DIFF)) if diff else "",
        _TEXT if pull.ours and task.role in ("coder", "fixer") else "",
    )
