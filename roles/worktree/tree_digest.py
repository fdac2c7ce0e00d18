"""What a work tree has against its base: a digest of it, and a list for its role."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sandbox import SYSTEM_FIRST, Sandbox

_TIMEOUT_S: Final = 20.0
_SCRIPT: Final = f"""\
{SYSTEM_FIRST}set -e -o pipefail
{{
  git rev-parse HEAD
  git diff --binary --no-ext-diff --no-textconv HEAD
  git ls-files -z --others --exclude-standard | xargs -0 -r sha256sum --
}} | sha256sum
"""


_MAX_SHOWN: Final = 2_000
_SHOW: Final = f"{SYSTEM_FIRST}set -o pipefail; git status --short | head -c {_MAX_SHOWN}"


_OTHER_TREE: Final = "Its tree was made again: what you did last may not be in it."


async def show_nothing() -> str:
    return ""


@dataclass(frozen=True)
class TreeView:
    """The tree of a role that is to change it: a digest of it, and what happened to it.

    `sandbox` is the id of that which the tree is in, empty where it lasts longer than one.
    `take` brings its change out of it, once an answer says that it is done; `left_behind` says what
    of the tree was not in the change that was taken last, `show` which files are changed now.
    """

    digest: Callable[[], Awaitable[str]]
    notices: Callable[[], str]
    take: Callable[[], Awaitable[object]] | None = None
    left_behind: Callable[[], str] = str
    show: Callable[[], Awaitable[str]] = show_nothing
    sandbox: Callable[[], str] = str

    def news(self, known: str) -> str:
        """What happened to it that its role, which was in the sandbox `known` last, has not read.

        A call that made the tree anew may have ended before it could say so.
        """
        is_other = known and self.sandbox() != known
        return self.notices() or (_OTHER_TREE if is_other else "")


UNCHANGING: Final = TreeView(show_nothing, str)
"""What is only looked at."""


async def tree_digest(sandbox: Sandbox) -> str:
    """The digest; empty where it cannot be computed."""
    result = await sandbox.run(_SCRIPT, timeout_s=_TIMEOUT_S, keep_bytes=1_000)
    return result.text.split(" ")[0][:16] if result.exit_code == 0 else ""


async def show_changes(sandbox: Sandbox) -> str:
    """What is changed, or that nothing is: a command without an effect there left none."""
    result = await sandbox.run(_SHOW, timeout_s=_TIMEOUT_S, keep_bytes=2 * _MAX_SHOWN)
    if result.exit_code != 0:
        return ""
    listed = result.text.strip("\n")
    return f" Changed there now:\n{listed}" if listed else " No file is changed there now."
