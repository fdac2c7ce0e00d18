"""Names of branches: the caller's, checked before git sees it, and the run's own."""

import re

from graph import DEFAULT_PREFIX, PullGround, is_branch_name, is_new_branch_name
from graph.errors import InvalidRequest, PushRejected

_OWN = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)+")
_MAX_BYTES = 200


def check_base_branch(name: str) -> None:
    """Raise InvalidRequest unless git would take the name, and not as an option."""
    if not is_branch_name(name):
        raise InvalidRequest(
            f"{name[:_MAX_BYTES]!a} is not a name of a branch.",
            "Give the branch as the forge shows it, such as main.",
            field="baseBranch",
        )


def check_own_branch(name: str, base: str, prefix: str = DEFAULT_PREFIX) -> None:
    """Raise PushRejected unless the branch is one that only a run makes."""
    own = name.startswith(prefix) and _OWN.fullmatch(name, len(prefix))
    if name == base or not is_branch_name(name) or not own:
        raise PushRejected(
            f"{name[:_MAX_BYTES]!a} is not a branch of a run's own; nothing was pushed."
        )


def check_asked_branch(name: str, base: str, prefix: str, *, any_branch: bool) -> None:
    """Raise PushRejected unless the caller's branch may be made: `any_branch` or by its prefix."""
    allowed = any_branch or name.startswith(prefix)
    if name == base or not is_new_branch_name(name) or not allowed:
        raise PushRejected(
            f"{name[:_MAX_BYTES]!a} is not a branch that a run may make; nothing was pushed."
        )


def check_pull_branch(pull: PullGround, base: str) -> None:
    """Raise PushRejected unless the branch of a pull request may be pushed to.

    A fork's may have the name of the branch that it goes to.
    """
    name = pull.head_branch
    if (name == base and not pull.fork) or not is_branch_name(name):
        raise PushRejected(
            f"{name[:_MAX_BYTES]!a} is no branch of a pull request; nothing was pushed."
        )


def parent_branches(name: str) -> tuple[str, ...]:
    """The names above a branch, such as `agent` of `agent/change`: git keeps them as folders."""
    parts = name.split("/")
    return tuple("/".join(parts[:count]) for count in range(1, len(parts)))
