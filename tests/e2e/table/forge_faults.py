"""What goes wrong with the forge, from the clone to the pull request."""

from typing import Final

from tests.e2e.table.case import CLONE, PULLS, PUSH, Case, Trouble, failed, once
from tests.standins.github import DROPPED, Fault
from tests.support.whole_runs.claude_script import small_change

_LATER: Final = 1
"""The first call for pull requests asks for the right to open one."""


def _tried(*troubles: Trouble, retries: bool | None = True) -> Case:
    """A run that goes on after it."""
    return Case(troubles=troubles, retries=retries)


FORGE_FAULTS: Final[dict[str, Case]] = {
    "the repository is not told": _tried(once("GET", "", Fault(502, times=2))),
    "half of what is told of it": _tried(once("GET", "", Fault(200, cut=True))),
    "a clone that is refused": _tried(once("POST", CLONE, Fault(503))),
    "a clone that is dropped": _tried(once("POST", CLONE, DROPPED), retries=None),
    "a push that is refused for now": _tried(once("POST", PUSH, Fault(502))),
    "a push whose answer is lost": _tried(once("POST", PUSH, Fault(502, after=True)), retries=None),
    "a push that is dropped": _tried(once("POST", PUSH, DROPPED), retries=None),
    "a pull request that is refused for now": _tried(once("POST", PULLS, Fault(502, skip=_LATER))),
    "a pull request whose answer is lost": _tried(
        once("POST", PULLS, Fault(502, after=True, skip=_LATER))
    ),
    "a pull request whose connection is dropped": _tried(
        once("POST", PULLS, Fault(None, skip=_LATER))
    ),
    "a rate limit at the end": _tried(
        once("POST", PULLS, Fault(403, headers={"retry-after": "1"}, skip=_LATER))
    ),
    "a pull request that is not valid": failed(
        "github_rejected",
        once("POST", PULLS, Fault(422, "Validation Failed", skip=_LATER, times=9)),
        script=small_change(),
        pull="branch",
    ),
    "a token that is taken back at the end": failed(
        "github_unauthorized",
        once("POST", PULLS, Fault(401, "Bad credentials", skip=_LATER, times=9)),
        script=small_change(),
        pull="branch",
    ),
    "a token that may open none": failed(
        "github_forbidden", once("POST", PULLS, Fault(403, "Resource not accessible"))
    ),
    "an account that is refused": failed(
        "github_unauthorized", once("GET", "", Fault(401, "Bad credentials", times=9))
    ),
}
