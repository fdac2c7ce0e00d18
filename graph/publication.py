"""What becomes of a change on its way out: the gate's word, the pull request, a newer base."""

from typing import Final

from graph.spending import RoleCost, Spend
from graph.values import Base, Change, Finding, Review, Validation, Value

MAX_MOVES: Final = 2
"""So often a run goes over to a newer commit of its base branch; then it is let move."""


class GateFinding(Finding):
    """What the gate found; never holds the matched text. An `error` blocks."""

    rule: str


class RaisedFinding(Finding):
    """What a fixer was called for: a finding of the reviewer, or a check that failed (`check`)."""

    round: int
    check: bool = False


class RunAccount(Value):
    """What a run took: its fix rounds, its money by role, and what was fixed in between.

    `model` is the one that the request named for all roles, or empty.
    """

    rounds: int = 0
    spent: Spend = Spend()
    roles: tuple[RoleCost, ...] = ()
    raised: tuple[RaisedFinding, ...] = ()
    model: str = ""


class GateReport(Value):
    """Whether a change may leave this machine."""

    passed: bool
    findings: tuple[GateFinding, ...] = ()


class PullRequest(Value):
    """Where the change stands now; `url` and `number` are None for a local branch."""

    url: str | None
    number: int | None
    branch: str
    draft: bool
    head_repo: str | None = None
    """OWNER/NAME of the repository that the branch is in, which may be a fork."""
    created: bool = True
    patch: str | None = None
    """Path of the patch file of a local run."""
    pushable: bool = False
    """Whether the checkout of a local run has an `origin` on another machine."""
    conflicts: tuple[str, ...] = ()
    """Paths in which the change conflicts with a base branch that moved meanwhile."""


class ChangeOnNewBase(Value):
    """A change on a newer commit of its base branch; None where that commit holds all of it."""

    base: Base
    change: Change | None


class JudgedOnOldBase(Value):
    """What was judged on a base before the run went over to a newer one."""

    base: Base
    change: Change
    validation: Validation | None
    review: Review | None
