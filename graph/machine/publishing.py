"""What is published of a run, and how it goes on where its base branch moved meanwhile."""

import time
from typing import Any, Final

from graph.events.run_events import Emit
from graph.machine import edges
from graph.machine.cautions import cautions_of
from graph.machine.node_events import tell_gate
from graph.publication import MAX_MOVES, GateReport, JudgedOnOldBase, RaisedFinding, RunAccount
from graph.request.branch_names import DEFAULT_PREFIX, branch_name, find_ticket
from graph.services import Publication
from graph.spending import Spend
from graph.state import RunState
from graph.values import Base, Change, Outcome

_TIME_TO_JUDGE_S: Final = 60.0
_MOST_RAISED: Final = 40
_VERDICT_FIELDS: Final = ("base", "change", "validation", "review", "stopped")


def state_to_publish(state: RunState) -> RunState:
    """The state; where the change could not be judged on its newer base, that of before.

    Money or time was spent. What is known to be wrong on the newer base is not passed over.
    """
    settled, change = state.get("settled"), state.get("change")
    if settled is None or change is None or change.ref.role != "rebase":
        return state
    validation = state.get("validation")
    judged = validation is not None and (validation.status == "failed" or state.get("review"))
    if judged:
        return state
    return {**state, **dict(settled), "stopped": None, "settled": None}  # type: ignore[typeddict-item]


def verdict_fields(state: RunState) -> dict[str, Any]:
    """What a state by `state_to_publish` says of the change, for the end of the run."""
    return {name: state.get(name) for name in _VERDICT_FIELDS} | {"settled": None}


def branch_of(state: RunState, change: Change, prefix: str = DEFAULT_PREFIX) -> str:
    """The branch of the run: the caller's, or named after the first change; then the same."""
    if branch := state.get("head_branch"):
        return branch
    plan = state.get("plan")
    titles = (state.get("title"), change.title, plan.summary if plan else "")
    title = next(filter(None, titles), "")
    return first_branch(state, state["base"], state["run_id"], title, prefix)


def first_branch(state: RunState, base: Base, run_id: str, title: str, prefix: str) -> str:
    """The branch of a change of that title: the pull request's own, the caller's, or a new one."""
    if base.pull:
        return base.pull.head_branch
    named = state.get("branch")
    return named or branch_name(title, run_id, prefix=prefix, prompt=state["prompt"])


def publication_of(
    state: RunState, gate: GateReport, outcome: Outcome, deadline: float, *, follows: bool
) -> Publication:
    """All that is told; where it `follows`, it may go over to a newer base first."""
    change = state["change"]
    assert change
    cautions = cautions_of(state.get("plan"), change)
    return Publication(
        run_id=state["run_id"],
        branch=branch_of(state, change),
        branch_asked=bool(state.get("branch")),
        base=state["base"],
        change=change,
        plan=state.get("plan"),
        validation=state.get("validation"),
        environment=state.get("environment"),
        baseline=state.get("baseline"),
        review=state.get("review"),
        gate=gate,
        draft=bool(state.get("draft")) or outcome.status != "succeeded" or bool(cautions),
        remaining=edges.left_to_do(state),
        cautions=cautions,
        title=state.get("title") or "",
        ticket=find_ticket(state.get("prompt") or ""),
        labels=tuple(state.get("labels") or ()),
        reviewers=tuple(state.get("reviewers") or ()),
        closes=state.get("closes"),
        answers=tuple(state.get("answers") or ()),
        requested_by=state.get("requested_by") or "",
        deadline=deadline,
        account=_account(state),
        rebase_step=state["step"] + 1
        if follows and _may_follow(state, outcome, deadline)
        else None,
    )


def blocked(gate: GateReport, emit: Emit, key: str) -> dict[str, Any]:
    """The end of a run whose change may not leave: by our own gate, or by the forge's rules."""
    tell_gate(gate, emit, key)
    return {"gate": gate, "outcome": Outcome(status="blocked", reason="gate")}


def raised_by(state: RunState) -> list[RaisedFinding]:
    """What fixers were called for, oldest first, with what the newest one was.

    What is raised again stands once, by its newest round; of too many the oldest are left out.
    """
    raised = state.get("raised") or []
    number = max((each.round for each in raised), default=0) + 1
    validation, review = state.get("validation"), state.get("review")
    found = [
        RaisedFinding(severity="error", message=name, round=number, check=True)
        for name in (validation.new_failures if validation else ())
    ]
    if review and review.verdict != "approve":
        found += [RaisedFinding(**each.model_dump(), round=number) for each in review.findings]
    newest = {(each.path, each.message): each for each in found}
    earlier = [each for each in raised if (each.path, each.message) not in newest]
    return [*earlier, *newest.values()][-_MOST_RAISED:]


def _account(state: RunState) -> RunAccount:
    return RunAccount(
        rounds=max((each.round for each in state.get("raised") or []), default=0),
        spent=state.get("spent") or Spend(),
        roles=tuple(state.get("role_costs") or ()),
        raised=tuple(state.get("raised") or ()),
        model=state.get("model") or "",
    )


def state_on_new_base(state: RunState, rebased: Change) -> dict[str, Any]:
    """The keys that change where the change stands on a newer base, to be judged again there."""
    change = state["change"]
    assert change
    settled = JudgedOnOldBase(
        base=state["base"],
        change=change,
        validation=state.get("validation"),
        review=state.get("review"),
    )
    return {
        "change": rebased,
        "step": state["step"] + 1,
        "spent_before": state["spent"],
        "environment": None,
        "baseline": None,
        "validation": None,
        "review": None,
        "settled": settled,
    }


def _may_follow(state: RunState, outcome: Outcome, deadline: float) -> bool:
    """Whether judging it once more is of use, and can be paid."""
    base = state["base"]
    done = outcome.status == "succeeded" or outcome.reason in ("not_validated", "checks_stopped")
    time_left = deadline - time.time() > _TIME_TO_JUDGE_S
    return done and not base.local and base.moved < MAX_MOVES and time_left
