"""Whether a workflow's filters of branches take a branch, as GitHub reads them."""

import re
from collections.abc import Mapping
from typing import Any, Final

_PIECE: Final = re.compile(r"\*{2,}|\[[^\]]{0,100}\]|.", re.DOTALL)
_WILD: Final = re.compile(r"\*+|[?+]")
_MAX_WILD: Final = 4
"""A pattern with more is taken for one that fits: matching it could take very long."""
_CLASS: Final = re.compile(r"\[[A-Za-z0-9-]+\]")


def takes_branch(options: Mapping[str, Any], branch: str) -> bool:
    """By `branches` and `branches-ignore`; without either every branch is taken."""
    if "branches" in options:
        return _is_taken(words(options["branches"]), branch)
    return not _is_taken(words(options.get("branches-ignore")), branch)


def words(value: Any) -> list[str]:
    """The words of what may be one word or a list of them."""
    listed = value if isinstance(value, list) else [value]
    return [word for word in listed if isinstance(word, str)]


def _is_taken(patterns: list[str], branch: str) -> bool:
    """Whether the last pattern that fits takes the branch; one with `!` takes it out again."""
    taken = False
    for pattern in patterns:
        if _fits(pattern.removeprefix("!"), branch):
            taken = not pattern.startswith("!")
    return taken


def _fits(pattern: str, branch: str) -> bool:
    """Whether a pattern fits a branch; where that cannot be told, it does."""
    if len(_WILD.findall(pattern)) > _MAX_WILD:
        return True
    try:
        expression = "".join(map(_translate, _PIECE.findall(pattern)))
        return bool(re.fullmatch(expression, branch))
    except re.error:
        return True


def _translate(piece: str) -> str:
    if piece.startswith("**"):
        return ".*"
    if piece == "*":
        return "[^/]*"
    if piece in "?+" or _CLASS.fullmatch(piece):
        return piece
    return re.escape(piece)
