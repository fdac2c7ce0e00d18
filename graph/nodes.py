"""The eight nodes: each calls the services, says what happened, and returns the keys it changed."""

import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from langgraph.config import get_config, get_stream_writer
from langgraph.types import interrupt
from pydantic import ValidationError

from graph import edges, publishing
from graph.branch_names import branch_name
from graph.errors import InvalidRequest, PushBlocked
from graph.errors.validation_faults import describe_faults
from graph.events import (
    ChangeUpdated,
    Emit,
    GateFinished,
    PlanReady,
    PrCreated,
    PrUpdated,
    ReviewFinished,
    ValidationFinished,
)
from graph.run_request import request_of
from graph.services import Services
from graph.state import Limits, RunState
from graph.tasks import ChangeResult, PlannerResult, ReviewerResult, RoleTask
from graph.values import (
    NODE_OF_ROLE,
    Approval,
    Base,
    Budget,
    Change,
    GateFinding,
    GateReport,
    Outcome,
    PullRequest,
    Rebased,
    RoleName,
    Spend,
    Stopped,
    commands_of,
)

Update = dict[str, Any]
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_FRESH: Update = {
    "plan": None,
    "approval": None,
    "step": 0,
    "change": None,
    "validation": None,
    "review": None,
    "gate": None,
    "settled": None,
    "rounds": 0,
    "spent": Spend(),
    "spent_before": Spend(),
    "stopped": None,
    "pull_request": None,
    "outcome": None,
    "failure": None,
}
_PUBLISH_RESERVE_S = 60.0


@dataclass(frozen=True)
class Nodes:
    """The nodes over one set of services; `limits` hold where a request sets none lower."""

    services: Services
    limits: Limits

    async def prepare(self, state: RunState) -> Update:
        """Clone, and find the checks."""
        run_id = _run_id()
        request = request_of(state)
        limits, prompt = self.limits.lowered_by(request), request["prompt"]
        if not prompt.strip():
            raise InvalidRequest("The prompt is empty.", "Say in a sentence what should change.")
        await self.services.workspaces.open(run_id)
        base = await self.services.repositories.prepare(
            run_id, request["repo_url"], request.get("base_branch"), _emit()
        )
        return {
            **_FRESH,
            "run_id": run_id,
            "limits": limits,
            **await self._on_base(state, run_id, base),
            "branch": branch_name(prompt, run_id),
            "deadline": time.time() + limits.timeout_s,
        }

    async def plan(self, state: RunState) -> Update:
        """Let the planner say what to do, or that there is nothing to do."""
        task = await self._task(state, "planner")
        result = await self.services.planner(task, emit := _emit())
        update = _spent(state, task, result)
        if stopped := update.get("stopped"):
            return update | {"outcome": edges.stop_outcome(stopped)}
        if result.plan is None:
            return update | {"outcome": Outcome(status="no_changes", reason="nothing_to_do")}
        plan_id = f"plan-{task.step}"
        emit(PlanReady(plan_id=plan_id, plan=result.plan).keyed(plan_id))
        planned = {"plan": result.plan, "plan_id": plan_id, "planned_at": time.time()}
        return update | planned | {"approval": None}

    async def approve(self, state: RunState) -> Update:
        """Wait for the caller's answer, until it is one; the clock stands while it waits."""
        plan = state["plan"]
        question: dict[str, Any] = {
            "planId": state["plan_id"],
            "plan": plan.model_dump(mode="json", by_alias=True) if plan else None,
            "expects": Approval.EXPECTED,
        }
        approval = _answer_to(question)
        waited = max(0.0, time.time() - state["planned_at"])
        update: Update = {"approval": approval, "deadline": state["deadline"] + waited}
        if approval.decision == "reject":
            return update | {"outcome": Outcome(status="rejected")}
        if approval.decision == "approve" and approval.plan:
            update["plan"] = approval.plan
        return update

    async def code(self, state: RunState) -> Update:
        """Let the coder make the change."""
        task = await self._task(state, "coder")
        result = await self.services.coder(task, _emit())
        return await self._changed(state, task, result)

    async def validate(self, state: RunState) -> Update:
        """Run the checks on the change in a fresh tree."""
        change = _change(state)
        deadline = _deadline(state)
        if time.time() >= deadline:
            return {"stopped": Stopped(why="time", node="validate")}
        validation = await self.services.checks.validate(
            state["run_id"],
            state["base"],
            change.ref,
            edges.checks_of(state),
            edges.setup_of(state),
            deadline,
            emit := _emit(),
        )
        event = ValidationFinished.model_validate(validation.model_dump())
        emit(event.keyed(f"validate:{change.ref.step}"))
        return {"validation": validation, "review": None}

    async def review(self, state: RunState) -> Update:
        """Let the reviewer judge the validated change, with what the gate would say of it."""
        change = _change(state)
        gate = await self.services.publisher.gate(
            state["run_id"], state["base"], change, tuple(state.get("allow") or ())
        )
        task = await self._task(state, "reviewer", gate.findings)
        result = await self.services.reviewer(task, emit := _emit())
        update = _spent(state, task, result) | {"review": result.review}
        if result.review:
            event = ReviewFinished.model_validate(result.review.model_dump())
            emit(event.keyed(f"review:{task.step}"))
        return update

    async def fix(self, state: RunState) -> Update:
        """Let the fixer fix what validation or review found."""
        task = await self._task(state, "fixer")
        result = await self.services.fixer(task, _emit())
        update = await self._changed(state, task, result)
        return update | {"rounds": state["rounds"] + 1}

    async def publish(self, state: RunState) -> Update:
        """Hold the change against the gate; what passes becomes a pull request or a branch."""
        newest, state = state, publishing.to_publish(state)
        run_id, base, change, emit = state["run_id"], state["base"], _change(state), _emit()
        gate = await self.services.publisher.gate(
            run_id, base, change, tuple(state.get("allow") or ())
        )
        if not gate.passed:
            return publishing.judged(state) | _blocked(gate, emit, f"gate:{change.ref.step}")
        refused_before = (before := state.get("gate")) is not None and not before.passed
        if not refused_before:
            _tell_gate(gate, emit, f"gate:{change.ref.step}")
        outcome = edges.verdict(state)
        publication = publishing.publication_of(
            state, gate, outcome, _deadline(state), follows=state is newest
        )
        try:
            published = await self.services.publisher.publish(publication, emit)
        except PushBlocked as blocked:
            gate = GateReport(passed=False, findings=(*blocked.findings, *gate.findings))
            return publishing.judged(state) | _blocked(gate, emit, f"push:{change.ref.step}")
        if isinstance(published, Rebased):
            return await self._gone_over(state, published)
        if refused_before:
            _tell_gate(gate, emit, f"push:{change.ref.step}:passed")
        _tell_pull_request(published, emit, f"publish:{change.ref.step}")
        outcome = edges.published(outcome, published)
        update: Update = {"gate": gate, "pull_request": published, "outcome": outcome}
        return publishing.judged(state) | update

    async def _gone_over(self, state: RunState, rebased: Rebased) -> Update:
        """Go on with the change on the newer base; what that asks for is found anew."""
        change = rebased.change
        if change is None:
            outcome = Outcome(status="no_changes", reason="empty_change")
            return {"base": rebased.base, "change": None, "outcome": outcome}
        event = ChangeUpdated(
            digest=change.ref.digest, files=change.files, base_sha=rebased.base.sha
        )
        _emit()(event.keyed(f"change:{change.ref.step}"))
        found = await self._on_base(state, state["run_id"], rebased.base)
        return publishing.gone_over(state, change) | found

    async def _on_base(self, state: RunState, run_id: str, base: Base) -> Update:
        """The base, and what it asks for of checks and set-up."""
        setup = tuple(state.get("setup") or ())
        asked, only = tuple(state.get("validate") or ()), bool(state.get("validate_only"))
        found = await self.services.checks.find(run_id, base, asked, only, setup, _emit())
        notes = dict.fromkeys((*base.notes, *found.notes))
        return {
            "base": base.model_copy(update={"notes": tuple(notes)}),
            "checks": list(found.checks),
            "tree_setup": [*commands_of(setup), *found.setup],
        }

    async def _task(
        self, state: RunState, role: RoleName, gate: tuple[GateFinding, ...] = ()
    ) -> RoleTask:
        limits, change, approval = state["limits"], state.get("change"), state.get("approval")
        reserve = min(_PUBLISH_RESERVE_S, limits.timeout_s * 0.1)
        return RoleTask(
            run_id=state["run_id"],
            role=role,
            step=state["step"] + 1,
            fence=await self.services.workspaces.next_fence(state["run_id"]),
            prompt=state["prompt"],
            base=state["base"],
            budget=Budget(
                max_cost_usd=limits.max_cost_usd or None,
                max_tokens=limits.max_tokens or None,
                deadline=_deadline(state) - reserve,
                spent=state["spent"],
            ),
            model=state.get("model"),
            plan=state.get("plan"),
            feedback=approval.feedback if approval and role == "planner" else "",
            change=change.ref if change else None,
            checks=tuple(check.shell for check in edges.checks_of(state)),
            setup=edges.setup_of(state),
            validation=state.get("validation"),
            review=state.get("review"),
            gate=gate,
        )

    async def _changed(self, state: RunState, task: RoleTask, result: ChangeResult) -> Update:
        """Read what a role handed over; an empty change ends the run."""
        update = _spent(state, task, result)
        change = None
        if result.change:
            change = await self.services.repositories.read_change(
                state["run_id"], state["base"], result.change
            )
        if change is None or change.tree == state["base"].tree:
            stopped = update.get("stopped")
            outcome = (
                edges.stop_outcome(stopped)
                if stopped
                else Outcome(status="no_changes", reason="empty_change")
            )
            return update | {"change": None, "outcome": outcome}
        event = ChangeUpdated(digest=change.ref.digest, files=change.files)
        _emit()(event.keyed(f"change:{task.step}"))
        named = _named(change, state.get("change"), result)
        return update | {"change": named, "validation": None, "review": None}


def _run_id() -> str:
    """The thread's id, which names the run's folder; a new one where the graph has no thread."""
    thread_id = get_config().get("configurable", {}).get("thread_id")
    run_id = str(thread_id) if thread_id else uuid.uuid4().hex
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidRequest(
            f"The thread id {run_id[:80]!r} cannot name a run.",
            "Use 1 to 64 letters, digits, '-' and '_'.",
        )
    return run_id


def _answer_to(question: dict[str, Any]) -> Approval:
    """The answer that resumes the graph; one that is none is told, and the question stays."""
    while True:
        try:
            answer: Approval = interrupt(question, response_schema=Approval)
        except ValidationError as error:
            question["error"] = f"{describe_faults(error)[0]}."
        else:
            return answer


def _deadline(state: RunState) -> float:
    """When the run's time ends; a clock that was set back gives no step more than all of it."""
    return min(state["deadline"], time.time() + state["limits"].timeout_s)


def _emit() -> Emit:
    writer = get_stream_writer()
    return lambda event: writer({"key": event.key, **event.data()})


def _blocked(gate: GateReport, emit: Emit, key: str) -> Update:
    """The end of a run whose change may not leave: by our own gate, or by the forge's rules."""
    _tell_gate(gate, emit, key)
    return {"gate": gate, "outcome": Outcome(status="blocked", reason="gate")}


def _tell_gate(gate: GateReport, emit: Emit, key: str) -> None:
    emit(GateFinished(passed=gate.passed, findings=gate.findings).keyed(key))


def _tell_pull_request(made: PullRequest, emit: Emit, key: str) -> None:
    kind = PrCreated if made.created else PrUpdated
    told = kind(url=made.url, number=made.number, branch=made.branch, draft=made.draft)
    emit(told.keyed(key))


def _change(state: RunState) -> Change:
    change = state.get("change")
    if change is None:
        raise InvalidRequest("There is no change to go on with.", "Start a new run.")
    return change


def _spent(
    state: RunState, task: RoleTask, result: PlannerResult | ChangeResult | ReviewerResult
) -> Update:
    """What every role call changes: the step, the money, and where a limit stopped it."""
    update = {"step": task.step, "spent": state["spent"] + result.spend}
    if result.stopped:
        update["stopped"] = Stopped(why=result.stopped, node=NODE_OF_ROLE[task.role])
    return update | {"spent_before": state["spent"]}


def _named(change: Change, before: Change | None, result: ChangeResult) -> Change:
    """The first title stays the change's title; each later role adds to the summary."""
    title = before.title if before and before.title else result.title
    summary = "\n\n".join(filter(None, (before.summary if before else "", result.summary)))
    return change.model_copy(update={"title": title, "summary": summary})
