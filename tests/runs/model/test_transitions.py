"""Whatever is asked of a run in whatever order, its log tells one sound story."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from graph import FINAL_STATUSES
from graph.errors import PlanChanged, RunActive, RunError, RunFinished, RunNotWaiting
from graph.events import NodeStarted, RunStarted, UsageReported
from graph.spending import Usage
from graph.values import Approval, FinalStatus
from runs.model import claiming, transitions
from runs.model.attempts import LEASE_S, Ending, LeaseLost, Step
from runs.model.log_entry import entry
from runs.model.run import LONGEST_PAUSE_S, Lease, OpenNode, Run
from runs.model.transitions import Admission
from tests.standins.services.run_service import REQUEST

STARTED = RunStarted(repo_url="a/b", prompt="p", models={}, version="1", attempt=1)
NOBODY: frozenset[str] = frozenset()


def run_of(**changes: Any) -> Run:
    return Run(run_id="r", owner="o", request=REQUEST).replace(**changes)


def lease_of(token: str, now: float, service: str = "s") -> Lease:
    return Lease(service=service, token=token, until=now + LEASE_S)


@dataclass
class Story:
    """A run and its log, as a store would keep them."""

    run: Run = field(default_factory=run_of)
    log: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    now: float = 1000.0

    def take(self, step: Step | None) -> bool:
        if step is None:
            return False
        self.run = step.run
        for each in step.entries:
            if each.key not in self.keys:
                self.log.append(each.data)
                self.run = self.run.after(each.data, self.now)
                self.keys |= {each.key} - {""}
        return True


class AnyOrder(RuleBasedStateMachine):
    """Two processes and a caller; each process believes in the last token it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.tokens = {"one": "", "two": ""}
        self.count = 0

    def lease(self, service: str) -> Lease:
        self.count += 1
        return lease_of(f"t{self.count}", self.story.now, service)

    @rule(service=st.sampled_from(["one", "two"]), dead=st.sampled_from(["", "one", "two"]))
    def claim(self, service: str, dead: str) -> None:
        lease, story = self.lease(service), self.story
        dead_services = frozenset({dead} - {service})
        is_held = story.run.is_held(story.now, dead_services)
        asked = story.run.lease is not None and not story.run.lease.token
        step = claiming.claim(
            story.run, lease=lease, now=story.now, dead_services=dead_services, started=STARTED
        )
        if story.take(step):
            assert not is_held or asked
            self.tokens[service] = lease.token

    @rule(service=st.sampled_from(["one", "two"]), node=st.sampled_from(["plan", "code"]))
    def work(self, service: str, node: Any) -> None:
        run = self.story.run
        step = partial(transitions.record, run, token=self.tokens[service], now=self.story.now)
        mine = run.lease is not None and run.lease.token == self.tokens[service] != ""
        if not mine:
            if run.lease is None or self.tokens[service]:
                with pytest.raises(LeaseLost):
                    step(entries=[])
            return
        if run.status != "running":
            return
        if run.open_node:
            event: Any = run.open_node.finished("ok", self.story.now)
        else:
            event = NodeStarted(node=node, visit=run.visits.get(node, 0) + 1)
        self.story.take(step(entries=[entry(event)]))

    @rule(service=st.sampled_from(["one", "two"]))
    def ask(self, service: str) -> None:
        run = self.story.run
        if self.driven_by(service) and run.open_node:
            step = transitions.wait(
                run,
                token=self.tokens[service],
                now=self.story.now,
                plan_id="plan-1",
                plan={"summary": "s"},
            )
            assert (step is None) == (run.cancelling or run.answer is not None)
            self.story.take(step)

    @rule(
        service=st.sampled_from(["one", "two"]),
        status=st.sampled_from(["succeeded", "failed", "cancelled"]),
    )
    def finish(self, service: str, status: FinalStatus) -> None:
        if self.driven_by(service):
            step = transitions.finish(
                self.story.run,
                token=self.tokens[service],
                now=self.story.now,
                ending=Ending(status=status),
            )
            self.story.take(step)

    @rule(service=st.sampled_from(["one", "two"]))
    def release(self, service: str) -> None:
        if self.tokens[service]:
            self.story.take(transitions.release(self.story.run, token=self.tokens[service]))

    @rule(service=st.sampled_from(["one", "two"]))
    def cancel(self, service: str) -> None:
        try:
            step = transitions.cancel(
                self.story.run,
                lease=self.lease(service),
                now=self.story.now,
                dead_services=NOBODY,
                by="ann",
            )
        except RunFinished:
            assert self.story.run.final
        else:
            self.story.take(step)

    @rule(reserved=st.booleans(), attended=st.booleans())
    def resume(self, reserved: bool, attended: bool) -> None:
        is_held = self.story.run.is_held(self.story.now, NOBODY)
        admission = Admission(lease_of("", self.story.now, "one") if reserved else None)
        try:
            step = transitions.resume(
                self.story.run,
                request=REQUEST,
                now=self.story.now,
                dead_services=NOBODY,
                admission=admission,
                attended=attended,
                by="ann",
            )
        except RunError:
            assert self.story.run.status not in ("failed", "cancelled", "interrupted")
            assert self.story.run.final or self.story.run.status == "waiting" or is_held or attended
        else:
            self.story.take(step)

    @precondition(lambda self: self.story.run.status == "waiting")
    @rule()
    def answer(self) -> None:
        approval = Approval(decision="approve", plan_id="plan-1")
        self.story.take(
            transitions.answer(
                self.story.run,
                approval=approval,
                now=self.story.now,
                admission=Admission(),
                by="ann",
            )
        )

    @rule(seconds=st.sampled_from([1, 30]))
    def time_goes_by(self, seconds: int) -> None:
        self.story.now += seconds

    def driven_by(self, service: str) -> bool:
        lease = self.story.run.lease
        token = self.tokens[service]
        return bool(token and lease and lease.token == token and self.story.run.status == "running")

    @invariant()
    def the_log_is_sound(self) -> None:
        open_node, attempt, ended = None, 1, False
        for data in self.story.log:
            kind = data["type"]
            assert not ended or kind == "run.resumed", self.story.log
            if kind == "run.resumed":
                assert data["attempt"] == attempt + 1
                attempt, ended = data["attempt"], False
            elif kind == "run.finished":
                assert data["attempt"] == attempt
                assert open_node is None
                ended = True
            elif kind == "node.started":
                assert open_node is None
                open_node = (data["node"], data["visit"])
            elif kind == "node.finished":
                assert open_node == (data["node"], data["visit"])
                open_node = None
        assert ended == self.story.run.final
        assert attempt == self.story.run.attempt
        visits = [data["visit"] for data in self.story.log if data["type"] == "node.started"]
        assert all(visit >= 1 for visit in visits)

    @invariant()
    def a_waiting_run_is_nobodys(self) -> None:
        if self.story.run.status == "waiting":
            assert self.story.run.lease is None
            assert self.story.run.plan_id


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase


def test_what_an_attempt_spent_is_told_at_its_end() -> None:
    story = Story(run_of(status="running", lease=lease_of("t", 1000.0)))
    for cost in (0.5, 0.25):
        told = UsageReported(
            key=f"usage:{cost}",
            role="coder",
            model="m",
            usage=Usage(input_tokens=10),
            cost_usd=cost,
            run_cost_usd=cost,
        )
        for _ in range(2):
            story.take(
                transitions.record(story.run, token="t", now=story.now, entries=[entry(told)])
            )
    ending = Ending(status="failed")
    story.take(transitions.finish(story.run, token="t", now=story.now, ending=ending))
    assert story.log[-1]["costUsd"] == 0.75
    assert story.log[-1]["usage"]["input_tokens"] == 20


def test_an_unknown_price_makes_the_cost_unknown() -> None:
    usage = UsageReported(role="coder", model="m", usage=Usage(), cost_usd=None, run_cost_usd=None)
    run = run_of().after(usage.data(), 0.0).after({**usage.data(), "costUsd": 1.0}, 0.0)
    assert run.spend.cost_usd is None


def lost_again(run: Run, now: float) -> tuple[Run, list[dict[str, Any]]]:
    """The run after its next pick-up, whose process then dies without having done anything."""
    lease = lease_of(f"at {now}", now)
    step = claiming.claim(run, lease=lease, now=now, dead_services=NOBODY, started=STARTED)
    assert step
    after = step.run
    for each in step.entries:
        after = after.after(each.data, now)
    return after, [each.data for each in step.entries if each.type == "retry"]


def test_a_run_whose_process_is_lost_again_and_again_is_tried_for_hours() -> None:
    run, now, pauses = run_of(status="running", lease=lease_of("first", -30.0)), 0.0, list[float]()
    while not run.final:
        run, told = lost_again(run, now)
        if told:
            assert run.lease is None
            pauses.append(told[0]["waitMs"] / 1000)
            early = claiming.claim(
                run,
                lease=lease_of("early", now),
                now=now + pauses[-1] - 1,
                dead_services=NOBODY,
                started=STARTED,
            )
            assert early is None
            now += pauses[-1]
            run, none = lost_again(run, now)
            assert not none
            assert run.lease
        now += 30
    assert pauses[:4] == [10, 20, 40, 80]
    assert pauses == sorted(pauses)
    assert sum(pauses) > 6 * 3600
    assert run.status == "interrupted"


def test_a_pick_up_that_gains_or_was_handed_on_is_above_suspicion() -> None:
    run = run_of(status="running", lease=lease_of("first", -30.0), idle_pickups=2)
    picked_up, _ = lost_again(run, 0.0)
    assert picked_up.is_suspect
    assert not picked_up.after({"type": "role.text"}, 1.0).is_suspect
    reckoned = {"type": "usage", "replies": 0, "reckoned": True, "costUsd": 0.5}
    assert picked_up.after(reckoned, 1.0).is_suspect
    assert picked_up.after(reckoned, 1.0).spend.cost_usd == 0.5
    handed_on, told = lost_again(run.replace(lease=None), 0.0)
    assert not handed_on.is_suspect
    assert not told


def test_a_clock_that_was_set_back_postpones_nothing() -> None:
    run = run_of(status="queued", not_before=7200.0)
    assert run.is_postponed(7199.0)
    assert run.is_postponed(7200.0 - LONGEST_PAUSE_S - 2), "another machine's clock is behind"
    assert not run.is_postponed(7200.0)
    assert not run.is_postponed(0.0)


def test_a_node_that_took_negative_time_took_none() -> None:
    opened = OpenNode(node="code", visit=1, since=2000.0)
    assert opened.finished("ok", 1000.0).duration_ms == 0  # the clock went backwards


@pytest.mark.parametrize("status", ["queued", "running", "succeeded"])
def test_only_a_waiting_run_takes_an_answer(status: Any) -> None:
    with pytest.raises(RunNotWaiting):
        transitions.answer(
            run_of(status=status, plan_id="p"),
            approval=Approval(decision="approve"),
            now=0.0,
            admission=Admission(),
            by="ann",
        )


def test_an_answer_to_another_plan_is_refused() -> None:
    run = run_of(status="waiting", plan_id="plan-2")
    with pytest.raises(PlanChanged, match="plan-1"):
        transitions.answer(
            run,
            approval=Approval(decision="approve", plan_id="plan-1"),
            now=0.0,
            admission=Admission(),
            by="ann",
        )


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
def test_which_ends_can_be_resumed(status: Any) -> None:
    run, admission = run_of(status=status, attempt=3), Admission(position=2)
    resume = partial(
        transitions.resume,
        run,
        request=REQUEST,
        now=0.0,
        dead_services=NOBODY,
        admission=admission,
        attended=True,
        by="ann",
    )
    if status in ("succeeded", "no_changes", "rejected"):
        with pytest.raises(RunFinished):
            resume()
        return
    step = resume()
    assert step
    assert [each.data for each in step.entries] == [
        {"type": "run.resumed", "attempt": 4, "reason": "resumed", "by": "ann"},
        {"type": "run.queued", "position": 2},
    ]
    assert step.run.status == "queued"


HELD = lease_of("t", 0.0)


@pytest.mark.parametrize("attended", [True, False])
@pytest.mark.parametrize(
    ("status", "lease"),
    [("queued", HELD), ("running", HELD), ("waiting", None), ("running", None), ("queued", None)],
)
def test_a_run_that_somebody_will_carry_on_is_left_alone(
    status: Any, lease: Lease | None, attended: bool
) -> None:
    run = run_of(status=status, lease=lease)
    given: Any = {"now": 0.0, "dead_services": NOBODY, "attended": attended}
    resume = partial(
        transitions.resume, run, request=REQUEST, admission=Admission(), by="ann", **given
    )
    remove = partial(transitions.remove, run, lease=lease_of("mine", 0.0), **given)
    if attended or lease or status == "waiting":
        for act in (resume, remove):
            with pytest.raises(RunActive):
                act()
        return
    step = resume()
    assert step
    ended, *after = [each.data for each in step.entries]
    assert (ended["type"], ended["status"], ended["attempt"]) == ("run.finished", "interrupted", 1)
    assert after == [{"type": "run.resumed", "attempt": 2, "reason": "resumed", "by": "ann"}]
    assert [each.data["type"] for each in remove().entries] == ["run.finished"]
    assert remove().run.final


def test_a_run_whose_end_is_tidied_up_is_not_removed() -> None:
    run = run_of(status="failed", lease=HELD)
    remove = partial(transitions.remove, run, lease=lease_of("mine", 0.0), attended=True)
    with pytest.raises(RunActive):
        remove(now=0.0, dead_services=NOBODY)
    assert remove(now=0.0, dead_services=frozenset({"s"})).run.is_held(1.0, NOBODY)
