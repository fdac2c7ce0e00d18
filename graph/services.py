"""What the nodes need from the world, as Protocols. `build_graph` closes over one set of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from graph.base_services import Baselines, FoundChecks
from graph.environment import Environment
from graph.events.run_events import Emit, unheard
from graph.pictures import PicturePlace, RequestPicture
from graph.preparation import Preparation
from graph.publication import ChangeOnNewBase, GateReport, PullRequest, RunAccount
from graph.tasks import (
    ChangeResult,
    PlannerResult,
    ReviewerResult,
    RoleResult,
    RoleTask,
    SetupResult,
)
from graph.values import (
    Base,
    Change,
    ChangeRef,
    Check,
    Finding,
    NodeName,
    Plan,
    Review,
    Status,
    Validation,
    Value,
)

ResultT_co = TypeVar("ResultT_co", bound=RoleResult, covariant=True)


class Role(Protocol[ResultT_co]):
    """One role: does its task, emits events meanwhile, hands back its own kind of result.

    It may run anywhere: a task is plain JSON. Raises RoleError, ClaudeError, SandboxError.
    """

    async def __call__(self, task: RoleTask, emit: Emit) -> ResultT_co: ...


class Repositories(Protocol):
    """The trusted side of git: the base, and changes read against it."""

    async def prepare(
        self,
        run_id: str,
        repo_url: str,
        branch: str | None,
        emit: Emit,
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        """Clone into the run's `base.git`, or find it there from before; `branch` None: default.

        `include_uncommitted`: the base is a commit of what a checkout's tracked files hold now.
        Raises RepositoryError or ForgeError.
        """
        ...

    async def prepare_pull(self, run_id: str, url: str, emit: Emit) -> Base:
        """Make the run's `base.git` of an open pull request's head, or find it there from before.

        It also has the newest commit of the branch that the pull request goes to. What that changes
        so far is the run's readable diff of step 0. Raises RequestError, RepositoryError or
        ForgeError.
        """
        ...

    async def read_pull(self, run_id: str, base: Base) -> tuple[Base, Change]:
        """The pull request of a base as a change on the commit where its branch began.

        Raises PatchTooLarge or PatchUnusable.
        """
        ...

    async def merge_pull(self, run_id: str, base: Base) -> tuple[Base, Change, tuple[Finding, ...]]:
        """The base branch as the base, and the pull request, merged with it, as its change.

        The findings are the conflicts: both sides are in the change's files, between markers.
        Raises PatchTooLarge or PatchUnusable.
        """
        ...

    async def keep_pictures(
        self, run_id: str, base: Base, issue: int, places: Sequence[PicturePlace]
    ) -> tuple[RequestPicture, ...]:
        """Fetch pictures of an issue or a pull request, or find them in the run's folder.

        What does not come, or is too large or too much, is told and keeps nothing up.
        """
        ...

    async def read_change(self, run_id: str, base: Base, ref: ChangeRef) -> Change:
        """Apply a handed-over patch to the base's index, write the tree and the readable diff.

        Raises PatchTooLarge or PatchUnusable.
        """
        ...


class Workspaces(Protocol):
    """The folder of a run and the sandboxes that were opened for it."""

    async def open(self, run_id: str) -> None:
        """Make the run's folder, or find it."""
        ...

    def begin_plan_tree(self, run_id: str) -> None:
        """The planner's tree and that in which set-up is found will be opened.

        What takes long for them may begin meanwhile.
        """
        ...

    def begin_live_tree(self, run_id: str, base: Base, environment: Environment) -> None:
        """The tree that roles change will be opened: what takes long may begin meanwhile."""
        ...

    def begin_review_tree(
        self, run_id: str, base: Base, environment: Environment, step: int
    ) -> None:
        """The reviewer of that step will open its tree: what takes long may begin meanwhile."""
        ...

    async def end_review_tree(self, run_id: str, step: int) -> None:
        """No reviewer comes. Raises SandboxError."""
        ...

    async def next_fence(self, run_id: str) -> int:
        """A number higher than every one given before for this run."""
        ...

    async def renew(self, run_id: str, base: Base) -> None:
        """Let the tree that roles change be made anew where it is wanted again.

        It is then made of the newest change, with the environment as it is by then.
        """
        ...

    async def close(self, run_id: str, *, resumable: bool = False) -> None:
        """End every sandbox of the run and remove its trees; what is durable stays.

        `resumable` keeps what a resumed role needs of the live tree.
        """
        ...


class Checks(Baselines, Protocol):
    """The commands that say whether a change holds."""

    async def find(
        self,
        run_id: str,
        base: Base,
        caller: tuple[str, ...],
        only: bool,
        emit: Emit = unheard,
    ) -> FoundChecks:
        """The caller's checks and, unless `only`, those the base itself names."""
        ...

    def begin(self, run_id: str, base: Base, environment: Environment) -> None:
        """A change will be validated: what takes long for its tree may begin meanwhile."""
        ...

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
        """Run the checks on the change in a fresh tree; what fails is held against the base.

        No checks, or none that could start: `unavailable`. Raises SandboxError.
        """
        ...


class Publication(Value):
    """All that a pull request tells."""

    run_id: str
    branch: str
    base: Base
    change: Change
    plan: Plan | None
    validation: Validation | None
    review: Review | None
    gate: GateReport
    draft: bool
    remaining: tuple[str, ...]
    """What is not done or not known, a sentence each."""
    cautions: tuple[str, ...] = ()
    """Why a reader should look at it twice, a sentence each."""
    environment: Environment | None = None
    baseline: Validation | None = None
    title: str = ""
    """The caller's title; else the change's own."""
    ticket: str = ""
    """Key of the ticket that was asked about, such as `ABC-123`."""
    branch_asked: bool = False
    """Whether the caller named the branch: then it takes no other name where that is taken."""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    closes: int | None = None
    """The issue that the pull request closes once it is merged."""
    answers: tuple[int, ...] = ()
    """Numbers of the comments of a review that the request counts, in its order."""
    requested_by: str = ""
    deadline: float = 0
    """Unix seconds: a rate limit that ends before is waited for."""
    account: RunAccount = RunAccount()
    rebase_step: int | None = None
    """Where the base branch moved, the change goes over to it under this step, if it fits there."""


class Publisher(Protocol):
    """The only way out: the gate, the branch and the pull request."""

    async def check_publishable(
        self, run_id: str, base: Base, branch: str, title: str | None, emit: Emit
    ) -> tuple[str, ...]:
        """Try all that a publication will need, and change nothing.

        `branch` is the caller's, or one like the run's; `title` is the caller's, where there is
        one.
        What a reader should know, a sentence each. Raises what would stop it: RepositoryError or
        ForgeError.
        """
        ...

    async def gate(
        self, run_id: str, base: Base, change: Change, allow: tuple[str, ...]
    ) -> GateReport:
        """Judge the change by its tree; `allow` names rules that may pass."""
        ...

    async def publish(self, publication: Publication, emit: Emit) -> PullRequest | ChangeOnNewBase:
        """Commit, push to the branch, open or update the pull request; safe to repeat.

        Nothing is published where the change went over to a newer base, to be judged there. For a
        local checkout: make the branch there, and a patch file. Raises RepositoryError or
        ForgeError.
        """
        ...

    async def check_reviewable(self, base: Base) -> None:
        """Try the right to review the base's pull request, and change nothing.

        Raises RepositoryError or ForgeError.
        """
        ...

    async def submit_review(
        self, run_id: str, base: Base, change: Change, review: Review, emit: Emit
    ) -> PullRequest:
        """Put a review on the base's pull request, with its findings at their lines, once.

        `change` is what was reviewed. Nothing is pushed. Raises RepositoryError or ForgeError.
        """
        ...


class Progress(Protocol):
    """Where people see how far a run is; no run depends on it."""

    def show(self, run_id: str, base: Base, node: NodeName) -> None:
        """Begin to show that a node is at work on a base."""
        ...

    async def end(self, run_id: str, status: Status | None) -> None:
        """Show that the run has ended; None: it was stopped."""
        ...


@dataclass(frozen=True)
class Services:
    """One set of everything the nodes call."""

    planner: Role[PlannerResult]
    coder: Role[ChangeResult]
    reviewer: Role[ReviewerResult]
    fixer: Role[ChangeResult]
    repositories: Repositories
    workspaces: Workspaces
    preparation: Preparation
    checks: Checks
    publisher: Publisher
    setup: Role[SetupResult] | None = None
    """None where set-up reaches no host: there is nothing to be found."""
    progress: Progress | None = None
    """None where nobody looks."""

    async def close_run(
        self, run_id: str, *, resumable: bool = False, status: Status | None = None
    ) -> None:
        """End all that is under way of a run; `resumable` keeps what a resumed one needs.

        `status` is how it has ended; None: it was stopped.
        """
        await self.pause_run(run_id, resumable=resumable)
        if self.progress:
            await self.progress.end(run_id, status)

    async def pause_run(self, run_id: str, *, resumable: bool = True) -> None:
        """Hold nothing of a run that goes on later."""
        await self.preparation.end(run_id)
        await self.workspaces.close(run_id, resumable=resumable)
