"""What goes wrong with Claude, and the limits of money and time."""

from typing import Final

from tests.e2e.table.case import Case, failed
from tests.standins.claude import (
    Cut,
    ErrorEvent,
    HalfToolInput,
    HttpError,
    Malformed,
    Misplaced,
    Reset,
    says,
    tool_use,
)
from tests.standins.messages_api.server import Answer
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    approve,
    done,
    plan,
    shell,
    small_change,
)

_OVERLOADED: Final = HttpError(529, "overloaded_error")
_SOON: Final = HttpError(429, "rate_limit_error", headers={"retry-after": "0"})
_LONG: Final = shell(f"{MORNING}; sleep 95")


def _coder(*before: Answer, after: tuple[Answer, ...] = ()) -> Case:
    """A coder whose first answers fail, and those after its work."""
    script = small_change(coder=[*before, shell(MORNING), *after, done()])
    return Case(script=script, retries=True)


def _refused(code: str, fault: Answer) -> Case:
    return failed(code, script={"planner": [fault]})


CLAUDE_FAULTS: Final[dict[str, Case]] = {
    "overloaded before the plan": Case(
        script=small_change(planner=[_OVERLOADED, _OVERLOADED, plan()]), retries=True
    ),
    "a rate limit in the work": _coder(after=(_SOON, _SOON)),
    "a reply that is cut": _coder(Cut(), after=(Cut(),)),
    "a connection that is reset": _coder(Reset()),
    "an error in a reply": _coder(ErrorEvent(), after=(ErrorEvent(),)),
    "a reply that is no JSON": _coder(Malformed()),
    "a reply in the wrong order": _coder(Misplaced()),
    "an error before the review": Case(
        script=small_change(reviewer=[HttpError(500), approve()]), retries=True
    ),
    "an error before a fix": Case(
        script=small_change(
            coder=[shell(MORNING, BREAK), done()], fixer=[HttpError(502), shell(MEND), done()]
        ),
        retries=True,
    ),
    "half a call": Case(
        script=small_change(
            coder=[
                HalfToolInput(tool_use("bash", {"command": "rm -rf *; echo long"}), 12),
                shell(MORNING),
                done(),
            ]
        )
    ),
    "a key that is not taken": _refused(
        "claude_unauthorized", HttpError(401, "authentication_error")
    ),
    "a request that is not taken": _refused(
        "claude_rejected", HttpError(400, "invalid_request_error")
    ),
    "no credit": _refused("claude_billing", HttpError(402, "billing_error")),
    "a refusal": _refused("claude_refused", says("I", stop_reason="refusal")),
    "no answer": failed("role_no_answer", script={"planner": [says("Soon."), says("Well.")]}),
    "no money for a word": Case(
        fields={"maxCostUsd": 0.001},
        script={},
        status="budget_exhausted",
        pull="none",
    ),
    "money for the work alone": Case(
        fields={"maxCostUsd": 0.5},
        script=small_change(coder=[shell(MORNING, output_tokens=22_000)], reviewer=[]),
        status="budget_exhausted",
        pull="draft",
    ),
    "time for the work alone": Case(
        fields={"timeoutS": 8},
        script=small_change(coder=[shell(MORNING), _LONG], reviewer=[]),
        status="timed_out",
        pull="draft",
    ),
}
