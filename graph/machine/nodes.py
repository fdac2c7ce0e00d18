"""The eight nodes: each calls the services, says what happened, and returns the keys it changed."""

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from langgraph.config import get_config

from graph.calls import end_tasks
from graph.errors import InvalidRequest, PushBlocked
from graph.events.run_events import (
    ChangeUpdated,
    PlanReady,
    ProofFinished,
    ReviewFinished,
    ValidationFinished,
)
from graph.machine import edges, follow_up, publishing, role_tasks
from graph.machine.ask_approval import ask_approval
from graph.machine.node_events import emit_of_node, tell_gate, tell_pull_request
from graph.machine.readiness import (
    begin_validation_tree,
    end_review_tree,
    known_by_now,
    live_tree_begun,
    make_ready,
    review_tree_begun,
)
from graph.machine.shown_pictures import keep_pictures
from graph.publication import ChangeOnNewBase, GateFinding, GateReport
from graph.request.request_rules import RequestRules
from graph.request.run_request import request_of
from graph.services import Services
from graph.state import Limits, RunState, fresh_state
from graph.tasks import ChangeResult, RoleTask
from graph.values import Base, Change, Outcome, RoleName, Stopped

Update = dict[str, Any]
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


@dataclass(frozen=True)
class Nodes:
    """The nodes over one set of services; `limits` hold where a request sets none lower, `rules`
    say what it may name."""

    services: Services
    limits: Limits
    rules: RequestRules

    async def prepare(self, state: RunState) -> Update:
        """Clone, find the checks, and begin what makes the base ready."""
        run_id = _run_id()
        request = request_of(state)
        limits, prompt = self.limits.lowered_by(request), request["prompt"]
        deadline = time.time() + limits.timeout_s
        if not prompt.strip():
            raise InvalidRequest("The prompt is empty.", "Say in a sentence what should change.")
        self.rules.check(request)
        self.rules.check_prices(request, limits.max_tokens)
        begun: Update = {
            **fresh_state(),
            "run_id": run_id,
            "plan": follow_up.plan_of(request),
            "limits": limits,
            "head_branch": "",
            "deadline": deadline,
        }
        try:
            async with asyncio.timeout(limits.timeout_s) as clock:
                await self.services.workspaces.open(run_id)
                if not request.get("pull_request_url"):
                    self.services.workspaces.begin_plan_tree(run_id)
                base = await follow_up.find_base(
                    self.services.repositories, run_id, request, emit_of_node()
                )
                begun |= await keep_pictures(self.services.repositories, run_id, request, base)
                base = begun["base"]
                if request.get("review_only"):
                    reviewed = _with(state, begun)
                    begun |= await follow_up.begin_review(self.services, reviewed, base)
                elif request.get("merge_base"):
                    begun |= await follow_up.begin_merge(self.services, run_id, base)
                    base = begun["base"]
                if not request.get("review_only") and not begun["outcome"]:
                    begun |= await self._on_publishable_base(state, run_id, base)
        except TimeoutError:
            if not clock.expired():
                raise
            stopped = Stopped(why="time", node="prepare")
            return begun | {"stopped": stopped, "outcome": edges.stop_outcome(stopped)}
        self.services.preparation.begin(role_tasks.wanted_by(_with(state, begun)))
        return begun

    async def plan(self, state: RunState) -> Update:
        """Let the planner say what to do, or that there is nothing to do."""
        self.services.preparation.begin(role_tasks.wanted_by(state))
        known = known_by_now(self.services, state)
        task = await self._task(_with(state, known), "planner")
        async with live_tree_begun(self.services, state):
            result = await self.services.planner(task, emit := emit_of_node())
        update = known | role_tasks.spent(state, task, result)
        if stopped := update.get("stopped"):
            return update | {"outcome": edges.stop_outcome(stopped)}
        if result.refusal:
            refused = Outcome(status="rejected", reason="contributions_refused")
            return update | {"outcome": refused, "explanation": result.refusal}
        if result.plan is None:
            nothing = Outcome(status="no_changes", reason="nothing_to_do")
            return update | {"outcome": nothing, "explanation": result.reason}
        plan_id = f"plan-{task.step}"
        emit(PlanReady(plan_id=plan_id, plan=result.plan).keyed(plan_id))
        planned = {"plan": result.plan, "plan_id": plan_id, "planned_at": time.time()}
        return update | planned | {"approval": None}

    async def approve(self, state: RunState) -> Update:
        """Wait for the caller's answer, until it is one; the clock stands while it waits."""
        plan = state["plan"]
        approval = ask_approval(state["plan_id"], plan)
        waited = max(0.0, time.time() - state["planned_at"])
        update: Update = {"approval": approval, "deadline": state["deadline"] + waited}
        if approval.decision == "reject":
            return update | {"outcome": Outcome(status="rejected")}
        if approval.decision == "approve" and approval.plan:
            update["plan"] = approval.plan
        return update

    async def code(self, state: RunState) -> Update:
        """Let the coder make the change, in a tree that is ready."""
        ready = await make_ready(self.services, state)
        if stopped := ready.get("stopped"):
            return ready | {"outcome": edges.stop_outcome(stopped)}
        task = await self._task(state := _with(state, ready), "coder")
        result = await self.services.coder(task, emit_of_node())
        known = known_by_now(self.services, state)
        return ready | await self._changed(state, task, result) | known

    async def validate(self, state: RunState) -> Update:
        """Run the checks on the change in a fresh tree."""
        change = _change(state)
        if time.time() >= role_tasks.deadline_of(state):
            return {"stopped": Stopped(why="time", node="validate")}
        ready = await make_ready(self.services, state)
        if ready.get("stopped"):
            return ready
        async with review_tree_begun(self.services, _with(state, ready)) as begun:
            validation = await self.services.checks.validate(
                state["run_id"],
                state["base"],
                change.ref,
                edges.checks_of(state),
                ready["environment"],
                role_tasks.validation_deadline(state),
                emit := emit_of_node(),
            )
            begun.is_wanted = validation.status != "failed"
        event = ValidationFinished.model_validate(validation.model_dump())
        emit(event.keyed(f"validate:{change.ref.step}"))
        if proof := validation.proof:
            proven = ProofFinished.model_validate(proof.model_dump())
            emit(proven.keyed(f"proof:{change.ref.step}"))
        known = known_by_now(self.services, state)
        return {**ready, **known, "validation": validation, "review": None}

    async def review(self, state: RunState) -> Update:
        """Let the reviewer judge the validated change, with what the gate would say of it."""
        change = _change(state)
        if state.get("review_only"):
            return await self._review_alone(state)
        gate = await self.services.publisher.gate(
            state["run_id"], state["base"], change, tuple(state.get("allow") or ())
        )
        emit = emit_of_node()
        if (held := edges.gate_review(gate)) and edges.rounds_left(state):
            event = ReviewFinished.model_validate(held.model_dump())
            emit(event.keyed(f"review:gate:{change.ref.step}"))
            await end_review_tree(self.services, state)
            return {"review": held}
        return await self._ask_reviewer(state, gate.findings)

    async def _review_alone(self, state: RunState) -> Update:
        """Let the reviewer judge what nobody has validated, in a tree that is ready."""
        ready = await make_ready(self.services, state)
        if not (stopped := ready.get("stopped")):
            ready |= await self._ask_reviewer(_with(state, ready))
            stopped = ready.get("stopped")
        return ready | ({"outcome": edges.stop_outcome(stopped)} if stopped else {})

    async def _ask_reviewer(self, state: RunState, gate: tuple[GateFinding, ...] = ()) -> Update:
        task = await self._task(state, "reviewer", gate)
        result = await self.services.reviewer(task, emit := emit_of_node())
        update = role_tasks.spent(state, task, result) | {"review": result.review}
        if result.review:
            event = ReviewFinished.model_validate(result.review.model_dump())
            emit(event.keyed(f"review:{task.step}"))
        return update

    async def fix(self, state: RunState) -> Update:
        """Let the fixer fix what validation, review or a merge found, in a tree that is ready."""
        ready = {} if state.get("environment") else await make_ready(self.services, state)
        if stopped := ready.get("stopped"):
            return ready | {"outcome": edges.stop_outcome(stopped)}
        task = await self._task(state := _with(state, ready), "fixer")
        result = await self.services.fixer(task, emit_of_node())
        update = ready | await self._changed(state, task, result)
        return update | {"rounds": state["rounds"] + 1, "raised": publishing.raised_by(state)}

    async def publish(self, state: RunState) -> Update:
        """Hold the change against the gate; what passes becomes a pull request or a branch."""
        if state.get("review_only"):
            return await follow_up.submit_review(self.services, state, emit_of_node())
        newest, state = state, publishing.state_to_publish(state)
        verdict = publishing.verdict_fields(state)
        run_id, base, change, emit = state["run_id"], state["base"], _change(state), emit_of_node()
        gate = await self.services.publisher.gate(
            run_id, base, change, tuple(state.get("allow") or ())
        )
        if not gate.passed:
            return verdict | publishing.blocked(gate, emit, f"gate:{change.ref.step}")
        refused_before = (before := state.get("gate")) is not None and not before.passed
        if not refused_before:
            tell_gate(gate, emit, f"gate:{change.ref.step}")
        outcome = edges.verdict(state)
        publication = publishing.publication_of(
            state, gate, outcome, role_tasks.deadline_of(state), follows=state is newest
        )
        try:
            published = await self.services.publisher.publish(publication, emit)
        except PushBlocked as blocked:
            gate = GateReport(passed=False, findings=(*blocked.findings, *gate.findings))
            return verdict | publishing.blocked(gate, emit, f"push:{change.ref.step}")
        if isinstance(published, ChangeOnNewBase):
            return await self._go_on_new_base(state, published)
        if refused_before:
            tell_gate(gate, emit, f"push:{change.ref.step}:passed")
        tell_pull_request(published, emit, f"publish:{change.ref.step}")
        outcome = edges.published(outcome, published)
        update: Update = {"gate": gate, "pull_request": published, "outcome": outcome}
        return verdict | update | {"head_branch": published.branch}

    async def _go_on_new_base(self, state: RunState, rebased: ChangeOnNewBase) -> Update:
        """Go on with the change on the newer base; what that asks for is found anew."""
        change = rebased.change
        if change is None:
            outcome = Outcome(status="no_changes", reason="empty_change")
            return {"base": rebased.base, "change": None, "outcome": outcome}
        event = ChangeUpdated(
            digest=change.ref.digest, files=change.files, base_sha=rebased.base.sha
        )
        emit_of_node()(event.keyed(f"change:{change.ref.step}"))
        found = await self._on_base(state, state["run_id"], rebased.base)
        return publishing.state_on_new_base(state, change) | found

    async def _on_publishable_base(self, state: RunState, run_id: str, base: Base) -> Update:
        """The base, once nothing is known that would keep a change of it from being published."""
        title = state.get("title")
        prefix, emit = self.rules.branch_prefix, emit_of_node()
        branch = publishing.first_branch(state, base, run_id, title or "", prefix)
        checking = asyncio.ensure_future(
            self.services.publisher.check_publishable(run_id, base, branch, title, emit)
        )
        try:
            found = await self._on_base(state, run_id, base)
            notes = await checking
        finally:
            await end_tasks(checking)
        base = found["base"]
        return found | {"base": base.model_copy(update={"notes": (*base.notes, *notes)})}

    async def _on_base(self, state: RunState, run_id: str, base: Base) -> Update:
        """The base, and what it asks for of checks and set-up."""
        asked, only = tuple(state.get("validate") or ()), bool(state.get("validate_only"))
        found = await self.services.checks.find(run_id, base, asked, only, emit_of_node())
        notes = dict.fromkeys((*base.notes, *found.notes))
        return {
            "base": base.model_copy(update={"notes": tuple(notes), "changelog": found.changelog}),
            "checks": list(found.checks),
        }

    async def _task(
        self, state: RunState, role: RoleName, gate: tuple[GateFinding, ...] = ()
    ) -> RoleTask:
        fence = await self.services.workspaces.next_fence(state["run_id"])
        return role_tasks.task_of(state, role, fence, gate)

    async def _changed(self, state: RunState, task: RoleTask, result: ChangeResult) -> Update:
        """Read what a role handed over; an empty change ends the run."""
        update = role_tasks.spent(state, task, result)
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
            why = update["explanation"] if stopped else result.summary
            return update | {"change": None, "outcome": outcome, "explanation": why}
        begin_validation_tree(self.services, state)
        event = ChangeUpdated(digest=change.ref.digest, files=change.files)
        emit_of_node()(event.keyed(f"change:{task.step}"))
        before = state.get("change")
        named = role_tasks.named_change(change, before, result)
        judged = state.get("validation") if before and before.tree == change.tree else None
        branch = publishing.branch_of(state, named, self.rules.branch_prefix)
        return update | {
            "change": named,
            "head_branch": branch,
            "validation": judged,
            "review": None,
        }


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


def _with(state: RunState, update: Update) -> RunState:
    return {**state, **update}  # type: ignore[typeddict-item]


def _change(state: RunState) -> Change:
    change = state.get("change")
    if change is None:
        raise InvalidRequest("There is no change to go on with.", "Start a new run.")
    return change
