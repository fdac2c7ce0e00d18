"""Services that answer by a script, so that the graph's routing is seen without the world."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, get_args

from graph.base_services import FoundChecks
from graph.environment import Environment, EnvironmentCommand, LeftOut
from graph.environment_record import EnvironmentRecords
from graph.errors import SetupFailed
from graph.events import Emit, RoleText, UsageReported, unheard
from graph.pictures import PicturePlace, RequestPicture
from graph.preparation import Preparation
from graph.publication import ChangeOnNewBase, GateReport, PullRequest
from graph.services import Publication, Services
from graph.spending import Spend, Usage
from graph.tasks import ChangeResult, PlannerResult, ReviewerResult, RoleTask, SetupResult
from graph.values import (
    Base,
    Change,
    ChangedFile,
    ChangeRef,
    Check,
    CommandReport,
    Commit,
    Finding,
    FolderCommand,
    Plan,
    PullGround,
    Review,
    Stop,
    Validation,
)
from tests.support.graph.environments import environment_of

Answer = TypeVar("Answer")

BASE = Base(
    address="https://github.com/octocat/hello",
    full_name="octocat/hello",
    branch="main",
    sha="a" * 40,
    tree="b" * 40,
)
PULL_BASE = BASE.model_copy(
    update={
        "sha": "c" * 40,
        "tree": "d" * 40,
        "trusted": Commit(sha=BASE.sha, tree=BASE.tree),
        "pull": PullGround(
            number=7,
            url="https://github.com/octocat/hello/pull/7",
            head_repo="octocat/hello",
            head_branch="greet",
            start=Commit(sha="e" * 40, tree="f" * 40),
            ours=True,
        ),
    }
)
SPEND = Spend(usage=Usage(input_tokens=100, output_tokens=10), cost_usd=0.01, turns=1)
APPROVED = Review(verdict="approve")
REJECTED = Review(
    verdict="request_changes",
    findings=(Finding(severity="error", path="a.py", line=1, message="The edge case is missing"),),
)
MEND = "mend"
"""The command of a recipe with which the main check passes."""
PASSED = Validation(status="passed")
FAILED = Validation(status="failed", new_failures=("test_a",))
UNAVAILABLE = Validation(status="unavailable")


@dataclass
class Script:
    """What each service answers, one answer a call; the last stays. An exception is raised."""

    plans: list[Plan | Stop | Exception | None] = field(
        default_factory=lambda: [Plan(summary="do it")]
    )
    refusal: str = ""
    """What the planner quotes in place of a plan."""
    changes: list[str | Stop | Exception | None] = field(default_factory=lambda: ["change"])
    validations: list[Validation | Exception] = field(default_factory=lambda: [PASSED])
    reviews: list[Review | Stop | Exception] = field(default_factory=lambda: [APPROVED])
    gates: list[GateReport | Exception] = field(default_factory=lambda: [GateReport(passed=True)])
    setup: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    setup_error: Exception | None = None
    setup_s: float = 0
    """So long set-up takes; `baseline_s` the checks on the base."""
    baseline: Validation = PASSED
    baseline_s: float = 0
    baseline_error: Exception | None = None
    baselines_open: int = 0
    prepared: list[str] = field(default_factory=list)
    """The commits whose environments were made."""
    prepare_s: float = 0
    prepare_error: Exception | None = None
    publish_error: Exception | None = None
    unpublishable: Exception | None = None
    publish_notes: tuple[str, ...] = ()
    same_tree: bool = False
    """Whether every change comes to the same tree."""
    conflicts: tuple[str, ...] = ()
    merge_conflicts: tuple[Finding, ...] = ()
    """Those of a base branch that is merged."""
    moves: int = 0
    """So often the base branch has moved when a change is to be published."""
    all_there: bool = False
    """Whether the branch then holds the whole change already."""
    find_error: Exception | None = None
    """Raised where checks are looked for on a base that moved."""
    turns: list[SetupResult | Exception] = field(default_factory=list)
    """What set-up turns answer; without any there is no set-up role."""
    lack: str = ""
    """What the main check says is missing, until `MEND` was run."""
    loads: bool = True
    """Whether tests can be loaded all the same; `mends_a_part`: then that is all `MEND` does."""
    mends_a_part: bool = False
    mended: list[str] = field(default_factory=list)
    """The commits for which a recipe was run."""
    records: EnvironmentRecords | None = None
    clock: Callable[[], float] = time.time
    hosts: str = "index.example"
    patience_s: float = 600.0
    late_baseline: bool = False
    """Whether the checks on the base end while the coder works, and not before."""
    tasks: list[RoleTask] = field(default_factory=list)
    published: list[Publication] = field(default_factory=list)
    reviewed: list[Review] = field(default_factory=list)
    """The reviews that were handed over."""
    checks_asked: list[tuple[Check, ...]] = field(default_factory=list)
    setups_asked: list[tuple[FolderCommand, ...]] = field(default_factory=list)
    validation_deadlines: list[float] = field(default_factory=list)
    renewed: int = 0
    begun: list[str] = field(default_factory=list)
    """How often the tree that roles change was to be made anew."""
    closed: list[tuple[str, bool]] = field(default_factory=list)

    def services(self) -> Services:
        return Services(
            planner=_Planner(self),
            coder=_Changer(self),
            reviewer=_Reviewer(self),
            fixer=_Changer(self),
            repositories=_Repositories(self),
            workspaces=_Workspaces(self),
            preparation=Preparation(
                _Environments(self),
                checks := _Checks(self),
                self.records,
                recipes_for=self.hosts if self.turns else None,
                clock=self.clock,
                patience_s=self.patience_s,
            ),
            checks=checks,
            publisher=_Publisher(self),
            setup=_SetUp(self) if self.turns else None,
        )


def take(answers: list[Answer | Exception]) -> Answer:
    """The next answer; the last one stays."""
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class _Planner:
    script: Script

    async def __call__(self, task: RoleTask, emit: Emit) -> PlannerResult:
        self.script.tasks.append(task)
        emit(RoleText(role="planner", text="I look"))
        if refusal := self.script.refusal:
            return PlannerResult(plan=None, refusal=refusal, spend=SPEND)
        answer = take(self.script.plans)
        if answer == "budget" or answer == "time" or answer == "turns":
            return PlannerResult(plan=None, spend=SPEND, stopped=answer)
        return PlannerResult(plan=answer, reason="" if answer else "it is so", spend=SPEND)


@dataclass
class _Changer:
    script: Script

    async def __call__(self, task: RoleTask, emit: Emit) -> ChangeResult:
        self.script.tasks.append(task)
        emit(RoleText(role=task.role, text="I change"))
        while self.script.late_baseline and self.script.baselines_open:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        answer = take(self.script.changes)
        stops: dict[object, Stop] = {stop: stop for stop in get_args(Stop)}
        stopped = stops.get(answer)
        ref = ChangeRef(step=task.step, role=task.role, digest=f"sha256:{answer}-{task.step}")
        return ChangeResult(
            change=ref if answer else None,
            title=f"{task.role} title",
            summary=f"{task.role} summary",
            spend=SPEND,
            stopped=stopped,
        )


@dataclass
class _Reviewer:
    script: Script

    async def __call__(self, task: RoleTask, emit: Emit) -> ReviewerResult:
        self.script.tasks.append(task)
        answer: Review | Stop = take(self.script.reviews)
        if isinstance(answer, Review):
            return ReviewerResult(review=answer, spend=SPEND)
        return ReviewerResult(review=None, spend=SPEND, stopped=answer)


@dataclass
class _SetUp:
    script: Script

    async def __call__(self, task: RoleTask, emit: Emit) -> SetupResult:
        self.script.tasks.append(task)
        usage = UsageReported(
            key=f"{task.step}.1.1.usage",
            role="setup",
            model="m",
            usage=SPEND.usage,
            cost_usd=SPEND.cost_usd,
            run_cost_usd=None,
        )
        emit(usage)
        return take(self.script.turns)


@dataclass
class _Repositories:
    script: Script

    async def prepare(
        self,
        run_id: str,
        repo_url: str,
        branch: str | None,
        emit: Emit,
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        await asyncio.sleep(self.script.prepare_s)
        if self.script.prepare_error:
            raise self.script.prepare_error
        return BASE

    async def prepare_pull(self, run_id: str, url: str, emit: Emit) -> Base:
        if self.script.prepare_error:
            raise self.script.prepare_error
        return PULL_BASE

    async def read_pull(self, run_id: str, base: Base) -> tuple[Base, Change]:
        assert base.pull
        ref = ChangeRef(step=0, role="pull", digest="sha256:pull")
        files = (ChangedFile(path="a.py", added=1, removed=0),)
        began = base.model_copy(update=base.pull.start.model_dump())
        return began, Change(ref=ref, tree=base.tree, files=files)

    async def keep_pictures(
        self, run_id: str, base: Base, issue: int, places: Sequence[PicturePlace]
    ) -> tuple[RequestPicture, ...]:
        raise NotImplementedError

    async def merge_pull(self, run_id: str, base: Base) -> tuple[Base, Change, tuple[Finding, ...]]:
        assert base.pull
        assert base.trusted
        merged = base.pull.model_copy(update={"merged": Commit(sha=base.sha, tree=base.tree)})
        onto = base.model_copy(update=base.trusted.model_dump() | {"pull": merged})
        _, change = await self.read_pull(run_id, base)
        return onto, change, self.script.merge_conflicts

    async def read_change(self, run_id: str, base: Base, ref: ChangeRef) -> Change:
        tree = "tree" if self.script.same_tree else f"tree-{ref.step}"
        return Change(ref=ref, tree=tree, files=(ChangedFile(path="a.py", added=1, removed=0),))


@dataclass
class _Workspaces:
    script: Script
    fence: int = 0

    async def open(self, run_id: str) -> None:
        self.fence = 0

    def begin_plan_tree(self, run_id: str) -> None:
        self.script.begun.append("plan")

    def begin_live_tree(self, run_id: str, base: Base, environment: Environment) -> None:
        self.script.begun.append("live")

    def begin_review_tree(
        self, run_id: str, base: Base, environment: Environment, step: int
    ) -> None:
        self.script.begun.append(f"review-{step}")

    async def end_review_tree(self, run_id: str, step: int) -> None:
        self.script.begun.remove(f"review-{step}")

    async def next_fence(self, run_id: str) -> int:
        self.fence += 1
        return self.fence

    async def renew(self, run_id: str, base: Base) -> None:
        self.script.renewed += 1

    async def close(self, run_id: str, *, resumable: bool = False) -> None:
        self.script.closed.append((run_id, resumable))


@dataclass
class _Environments:
    script: Script

    async def prepare(
        self, run_id: str, base: Base, setup: tuple[str, ...], deadline: float, emit: Emit = unheard
    ) -> Environment:
        self.script.prepared.append(base.sha)
        await asyncio.sleep(self.script.setup_s)
        if self.script.setup_error:
            raise self.script.setup_error
        made = environment_of((*setup, *self.script.setup))
        return made.model_copy(update={"left_out": self.script.left_out})

    async def extend(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        commands: tuple[FolderCommand, ...],
        deadline: float,
        emit: Emit = unheard,
    ) -> Environment:
        self.script.mended.append(base.sha)
        if any("exit" in command.command for command in commands):
            raise SetupFailed(f"`{commands[0].command}` failed.")
        found = tuple(
            EnvironmentCommand(command=command.command, source="model") for command in commands
        )
        return environment.model_copy(update={"commands": (*environment.commands, *found)})


@dataclass
class _Checks:
    script: Script

    async def find(
        self,
        run_id: str,
        base: Base,
        caller: tuple[str, ...],
        only: bool,
        emit: Emit = unheard,
    ) -> FoundChecks:
        if base.moved and self.script.find_error:
            raise self.script.find_error
        asked = tuple(Check(command=command, source="caller") for command in caller)
        command = "make test" if not base.moved else "make check"
        named = () if only else (Check(command=command, source="repository"),)
        return FoundChecks(checks=asked + named, notes=self.script.notes)

    def begin(self, run_id: str, base: Base, environment: Environment) -> None:
        self.script.begun.append("validate")

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment,
        checks: tuple[Check, ...],
        deadline: float,
        emit: Emit = unheard,
        tell: Callable[[CommandReport], None] = unheard,
    ) -> Validation:
        self.script.baselines_open += 1
        try:
            await asyncio.sleep(self.script.baseline_s)
            while self.script.late_baseline and not self._coder_is_called():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        finally:
            self.script.baselines_open -= 1
        if self.script.baseline_error:
            raise self.script.baseline_error
        if self.script.lack:
            return self._lacking(environment, checks, tell)
        return self.script.baseline

    def _coder_is_called(self) -> bool:
        return any(task.role == "coder" for task in self.script.tasks)

    def _lacking(
        self,
        environment: Environment,
        checks: tuple[Check, ...],
        tell: Callable[[CommandReport], None],
    ) -> Validation:
        made = any(command.command == MEND for command in environment.recipe)
        mended = made and not self.script.mends_a_part
        report = CommandReport(
            command=checks[0].command,
            exit_code=0 if mended else 1,
            status="passed" if mended else "failed",
            duration_ms=5,
            lacking="" if mended else self.script.lack,
            loaded=made or self.script.loads,
        )
        tell(report)
        return Validation(status="passed" if mended else "failed", commands=(report,))

    async def validate(
        self,
        run_id: str,
        base: Base,
        change: ChangeRef,
        checks: tuple[Check, ...],
        environment: Environment,
        deadline: float,
        emit: Emit = unheard,
    ) -> Validation:
        self.script.checks_asked.append(checks)
        self.script.setups_asked.append(environment.setup)
        self.script.validation_deadlines.append(deadline)
        return take(self.script.validations)


@dataclass
class _Publisher:
    script: Script

    async def check_publishable(
        self, run_id: str, base: Base, branch: str, title: str | None, emit: Emit
    ) -> tuple[str, ...]:
        if self.script.unpublishable:
            raise self.script.unpublishable
        return self.script.publish_notes

    async def gate(
        self, run_id: str, base: Base, change: Change, allow: tuple[str, ...]
    ) -> GateReport:
        return take(self.script.gates)

    async def publish(self, publication: Publication, emit: Emit) -> PullRequest | ChangeOnNewBase:
        if self.script.publish_error:
            raise self.script.publish_error
        if self.script.moves and publication.rebase_step:
            self.script.moves -= 1
            return self._rebased(publication, publication.rebase_step)
        self.script.published.append(publication)
        return PullRequest(
            url="https://github.com/octocat/hello/pull/1",
            number=1,
            branch=publication.branch,
            draft=publication.draft,
            created=_told(publication) == _told(self.script.published[0]),
            conflicts=self.script.conflicts,
        )

    async def check_reviewable(self, base: Base) -> None:
        if self.script.unpublishable:
            raise self.script.unpublishable

    async def submit_review(
        self, run_id: str, base: Base, change: Change, review: Review, emit: Emit
    ) -> PullRequest:
        if self.script.publish_error:
            raise self.script.publish_error
        assert base.pull
        self.script.reviewed.append(review)
        pull = base.pull
        return PullRequest(
            url=pull.url, number=pull.number, branch=pull.head_branch, draft=False, created=False
        )

    def _rebased(self, publication: Publication, step: int) -> ChangeOnNewBase:
        moved = publication.base.moved + 1
        base = publication.base.model_copy(update={"moved": moved, "sha": str(moved) * 40})
        ref = ChangeRef(step=step, role="rebase", digest=f"sha256:rebased-{step}")
        change = publication.change.model_copy(update={"ref": ref, "tree": f"tree-{step}"})
        return ChangeOnNewBase(base=base, change=None if self.script.all_there else change)


def _told(publication: Publication) -> Publication:
    """What a pull request says: told again, it is the one that was opened."""
    return publication.model_copy(update={"deadline": 0})
