"""What a role is called with, by the state of its run, and what its answer changes there."""

import time
from typing import Any, Final

from graph.base_services import PreparationRequest
from graph.comment_answers import with_answers
from graph.machine import edges
from graph.publication import GateFinding
from graph.spending import Budget, with_role_call
from graph.state import RunState
from graph.tasks import ChangeResult, PlannerResult, ReviewerResult, RoleTask
from graph.values import NODE_OF_ROLE, Change, RoleName, Stopped

_PUBLISH_RESERVE_S: Final = 60.0
_VALIDATION_SHARE: Final = 0.5


def task_of(
    state: RunState, role: RoleName, fence: int, gate: tuple[GateFinding, ...] = ()
) -> RoleTask:
    """One call of a role."""
    limits, change, approval = state["limits"], state.get("change"), state.get("approval")
    reserve = min(_PUBLISH_RESERVE_S, limits.timeout_s * 0.1)
    return RoleTask(
        run_id=state["run_id"],
        role=role,
        step=state["step"] + 1,
        fence=fence,
        prompt=state["prompt"],
        pictures=tuple(state.get("shown_pictures") or ()),
        base=state["base"],
        budget=Budget(
            max_cost_usd=limits.max_cost_usd or None,
            max_tokens=limits.max_tokens or None,
            deadline=deadline_of(state) - reserve,
            spent=state["spent"],
        ),
        model=state.get("model"),
        plan=state.get("plan"),
        approve_plan=bool(state.get("approve_plan")),
        feedback=approval.feedback if approval and role == "planner" else "",
        change=change.ref if change else None,
        checks=tuple(check.shell for check in edges.checks_of(state)),
        environment=state.get("environment"),
        baseline=state.get("baseline"),
        validation=state.get("validation"),
        review=state.get("review"),
        gate=gate,
    )


def wanted_by(state: RunState) -> PreparationRequest:
    """What a run wants to be ready before its change is made and judged."""
    return PreparationRequest(
        run_id=state["run_id"],
        base=state["base"],
        setup=tuple(state.get("setup") or ()),
        checks=tuple(check for check in state["checks"] if check.source == "repository"),
        deadline=deadline_of(state),
    )


def deadline_of(state: RunState) -> float:
    """When the run's time ends; a clock that was set back gives no step more than all of it."""
    return min(state["deadline"], time.time() + state["limits"].timeout_s)


def validation_deadline(state: RunState) -> float:
    """When validation ends: it takes at most its share of what is left of the run's time."""
    return time.time() + (deadline_of(state) - time.time()) * _VALIDATION_SHARE


def spent(
    state: RunState, task: RoleTask, result: PlannerResult | ChangeResult | ReviewerResult
) -> dict[str, Any]:
    """What every role call changes: the step, the money, and where a limit stopped it."""
    update = {
        "step": task.step,
        "spent": state["spent"] + result.spend,
        "role_costs": with_role_call(
            state.get("role_costs") or [], task.role, task.step, result.spend
        ),
        "explanation": result.shortfall,
    }
    if result.stopped:
        update["stopped"] = Stopped(why=result.stopped, node=NODE_OF_ROLE[task.role])
    return update | {"spent_before": state["spent"]}


def named_change(change: Change, before: Change | None, result: ChangeResult) -> Change:
    """The change with what its newest role says of all of it.

    What was said before stays where that role changed nothing, or was stopped before it answered.
    Answers to comments of a review stay where the role says nothing of these: it is not asked
    about them again.
    """
    said = before.unchecked if before else ()
    if before and (before.tree == change.tree or not result.title):
        update = before.model_dump(include={"title", "summary", "done"})
        unchecked = with_answers(said, result.unchecked)
        if before.tree != change.tree:  # what it says is open, is
            update["done"] = before.done and result.done
            unchecked = tuple(dict.fromkeys((*said, *result.unchecked)))
    else:
        update = {"title": result.title, "summary": result.summary, "done": result.done}
        unchecked = with_answers(result.unchecked, said)
    return change.model_copy(update=update | {"unchecked": unchecked})
