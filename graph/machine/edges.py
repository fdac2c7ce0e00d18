"""Routing and judgement as pure functions of the state: where a run goes next and how it ended."""

from collections.abc import Callable, Hashable
from typing import Any, Final, cast

from langgraph.graph import END

from graph.events.run_events import NodeOutcome
from graph.machine.check_selection import main_checks, near_checks
from graph.publication import GateReport, PullRequest
from graph.state import RunState
from graph.values import (
    GAP_RULES,
    Check,
    CommandReport,
    Finding,
    NodeName,
    Outcome,
    Review,
    Stop,
    Stopped,
    Validation,
)

_MENDABLE: Final = ("lfs", "filter", "conflict")
"""Rules of the gate that a change breaks unknowingly, and that no request can allow."""
_DECISIONS: dict[str, NodeOutcome] = {
    "approve": "approved",
    "revise": "revised",
    "reject": "rejected",
}
_ENDS: Final[dict[str, NodeOutcome]] = {
    "failed": "error",
    "no_changes": "no_changes",
    "rejected": "rejected",
}
ROUTES: Final[dict[NodeName, dict[Hashable, str]]] = {
    "prepare": {
        "ready": "plan",
        "planned": "code",
        "review asked": "review",
        "conflicts": "fix",
        "ended": END,
    },
    "plan": {"planned": "code", "approval asked": "approve", "ended": END},
    "approve": {"approved": "code", "revised": "plan", "ended": END},
    "code": {"changed": "validate", "time spent": "publish", "ended": END},
    "validate": {
        "passed": "review",
        "failed": "fix",
        "rounds or time spent": "publish",
        "ended": END,
    },
    "review": {
        "approved": "publish",
        "reviewed": "publish",
        "changes requested": "fix",
        "rounds or budget spent": "publish",
        "ended": END,
    },
    "fix": {
        "changed": "validate",
        "changed nothing": "review",
        "changed nothing that fails": "publish",
        "time spent": "publish",
        "ended": END,
    },
    "publish": {"base moved": "validate", "ended": END},
}
"""Where a run goes after each node, by the word that `route` answers; the words are drawn."""


def route(node: NodeName, state: RunState) -> str:
    """The word of `ROUTES` by which the run goes on. A run that has an outcome ends."""
    return "ended" if state.get("outcome") else _ROUTERS[node](state)


def _after_prepare(state: RunState) -> str:
    """A run that follows another one has its plan; one that reviews or merges needs none."""
    if state.get("review_only"):
        return "review asked"
    if state.get("merge_base"):
        return "conflicts"
    return "planned" if state.get("plan") else "ready"


def _after_plan(state: RunState) -> str:
    """A plan is approved first where the request asks for it."""
    return "approval asked" if state.get("approve_plan") else "planned"


def _after_approve(state: RunState) -> str:
    """An approved plan is carried out, a revised one planned again."""
    approval = state.get("approval")
    return "revised" if approval and approval.decision == "revise" else "approved"


def _after_change(state: RunState) -> str:
    """Validation costs no money: it is left out only when the time is spent."""
    stopped = state.get("stopped")
    return "time spent" if stopped and stopped.why == "time" else "changed"


def _after_fix(state: RunState) -> str:
    """What was judged before is not judged again: it is the same change."""
    validation = state.get("validation")
    if _after_change(state) != "changed" or validation is None:
        return _after_change(state)
    return "changed nothing that fails" if validation.status == "failed" else "changed nothing"


def _after_validate(state: RunState) -> str:
    """Failures go to the fixer while rounds are left; an unavailable check is still reviewed."""
    validation = state.get("validation")
    if state.get("stopped"):
        return "rounds or time spent"
    if validation and validation.status == "failed":
        return "failed" if rounds_left(state) else "rounds or time spent"
    return "passed"


def _after_review(state: RunState) -> str:
    """An approved change is published, another is fixed while rounds are left."""
    review = state.get("review")
    if state.get("review_only"):
        return "reviewed"
    if review and review.verdict == "approve":
        return "approved"
    if state.get("stopped") or review is None or not rounds_left(state):
        return "rounds or budget spent"
    return "changes requested"


def _after_publish(_: RunState) -> str:
    """A change that went over to a newer base is judged again."""
    return "base moved"


_ROUTERS: Final[dict[NodeName, Callable[[RunState], str]]] = {
    "prepare": _after_prepare,
    "plan": _after_plan,
    "approve": _after_approve,
    "code": _after_change,
    "validate": _after_validate,
    "review": _after_review,
    "fix": _after_fix,
    "publish": _after_publish,
}


def gate_review(gate: GateReport) -> Review | None:
    """What the gate holds a change back for that a role can fix, in place of a review."""
    found = [each for each in gate.findings if each.severity == "error" and each.rule in _MENDABLE]
    if not found:
        return None
    findings = tuple(
        Finding(severity="error", path=each.path, line=each.line, message=f"It {each.message}.")
        for each in found
    )
    summary = "The change cannot be published as it is."
    return Review(verdict="request_changes", summary=summary, findings=findings)


def rounds_left(state: RunState) -> bool:
    """Whether the fixer may be called once more."""
    return state["rounds"] < state["limits"].max_fix_rounds


_STOPS: Final[dict[Stop, tuple[Outcome, str]]] = {
    "budget": (Outcome(status="budget_exhausted"), "The budget of the run was spent in"),
    "tokens": (
        Outcome(status="budget_exhausted", reason="tokens_spent"),
        "The tokens of the run were spent in",
    ),
    "time": (Outcome(status="timed_out"), "The time of the run was spent in"),
    "turns": (
        Outcome(status="incomplete", reason="turns_exhausted"),
        "A role came to no answer within its turns in",
    ),
}


def stop_outcome(stopped: Stopped) -> Outcome:
    """How a run ends in which a limit stopped a role."""
    return _STOPS[stopped.why][0]


def verdict(state: RunState) -> Outcome:
    """How a run ends whose change passed the gate. All but `succeeded` is published as a draft."""
    if stopped := state.get("stopped"):
        return stop_outcome(stopped)
    validation, review = state.get("validation"), state.get("review")
    if validation is None or _is_missing(validation):
        stopped_checks = validation and _stopped(main_checks(checks_of(state)), validation)
        reason = "checks_stopped" if stopped_checks else "not_validated"
        return Outcome(status="incomplete", reason=reason)
    if validation.status == "failed" or review is None or review.verdict != "approve":
        return Outcome(status="incomplete", reason="fix_rounds_exhausted")
    if (change := state.get("change")) and not change.done:
        return Outcome(status="incomplete", reason="not_done")
    return Outcome(status="succeeded")


def published(outcome: Outcome, pull_request: PullRequest) -> Outcome:
    """How a run ends that is published: one that conflicts with its base is not done."""
    if outcome.status == "succeeded" and pull_request.conflicts:
        return Outcome(status="incomplete", reason="base_conflict")
    return outcome


def left_to_do(state: RunState) -> tuple[str, ...]:
    """What a reader of the pull request must know is not done, a sentence each."""
    left: list[str] = []
    if stopped := state.get("stopped"):
        left.append(f"{_STOPS[stopped.why][1]} `{stopped.node}`; the work may be unfinished.")
    validation, review = state.get("validation"), state.get("review")
    if validation is None:
        left.append("The change was not validated.")
    elif _is_missing(validation):
        left += _not_validated(validation)
    elif validation.status == "failed":
        left += [f"Still fails: {name}" for name in validation.new_failures]
    if review is None:
        left.append("The change was not reviewed.")
    elif review.verdict != "approve":
        left += [
            f"Review: {finding.message}"
            for finding in review.findings
            if finding.severity == "error"
        ] or ["The reviewer asked for changes."]
    if change := state.get("change"):
        left += change.unchecked
    return tuple(left)


def _is_missing(validation: Validation) -> bool:
    """Whether no check came to an end that holds the change, and one has to."""
    stopped = any(report.status == "stopped" for report in validation.commands)
    return validation.status == "unavailable" and (validation.needed or stopped)


def _not_validated(validation: Validation) -> list[str]:
    """What kept the change from being validated, a sentence each."""
    stopped = [report for report in validation.commands if report.status == "stopped"]
    why = [f"Not validated: {_stop(report)}." for report in stopped]
    why += [
        f"Not validated: {finding.message}."
        for finding in validation.findings
        if finding.rule in GAP_RULES
    ]
    if why:
        return why
    if any(report.status == "passed" for report in validation.commands):
        return ["Not validated: nothing that runs tests came to an end that tells of the change."]
    if validation.known_failures:
        return ["Not validated: every check that could be run fails without this change, too."]
    return ["Not validated: no check of this repository could be run."]


def _stop(report: CommandReport) -> str:
    came = f"; until then it reports {report.counts}" if report.counts else ""
    return f"`{report.shell}` was stopped after {report.duration_ms / 1000:.0f} s{came}"


def _stopped(checks: tuple[Check, ...], validation: Validation) -> bool:
    ended = {report.shell: report.status for report in validation.commands}
    return any(ended.get(check.shell) == "stopped" for check in checks)


def checks_of(state: RunState) -> tuple[Check, ...]:
    """The caller's checks, those of the repository near the change, and what the plan adds.

    Where the caller named the only ones, the plan adds none.
    """
    plan, change = state.get("plan"), state.get("change")
    paths = tuple(file.path for file in change.files) if change else plan.files if plan else ()
    checks = [check for check in state["checks"] if check.source != "repository"]
    found = [check for check in state["checks"] if check.source == "repository"]
    checks += near_checks(found, paths)
    if plan and not state.get("validate_only"):
        checks += [Check(command=command, source="plan") for command in plan.validate_]
    distinct: dict[str, Check] = {}
    for check in checks:
        distinct.setdefault(check.shell, check)
    return tuple(distinct.values())


def node_outcome(node: str, update: dict[str, Any]) -> NodeOutcome:
    """What `node.finished` says of a node that returned `update`."""
    outcome = update.get("outcome")
    if outcome and outcome.status in _ENDS:
        return _ENDS[outcome.status]
    if node == "publish":
        return _publish_outcome(update)
    if update.get("stopped"):
        return "stopped"
    if node == "approve":
        return _DECISIONS[update["approval"].decision]
    if node == "review":
        return "approved" if update["review"].verdict == "approve" else "request_changes"
    return cast("NodeOutcome", update["validation"].status) if node == "validate" else "ok"


def _publish_outcome(update: dict[str, Any]) -> NodeOutcome:
    """Without an end of the run, the change went over to a newer base."""
    if not update.get("outcome"):
        return "revised"
    gate = update.get("gate")
    return "ok" if gate is None or gate.passed else "failed"


def resume_from(state: RunState) -> NodeName:
    """The node at which a run that has ended goes on."""
    if failure := state.get("failure"):
        return cast("NodeName", failure.node or "prepare")
    if stopped := state.get("stopped"):
        return stopped.node
    outcome = state.get("outcome")
    if outcome and outcome.status == "incomplete" and outcome.reason != "base_conflict":
        return "fix" if outcome.reason == "fix_rounds_exhausted" else "validate"
    return "publish"
