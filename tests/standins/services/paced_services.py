"""Scripted services that say what they spend and wait where a file tells them to.

The files work across processes: `hold-NAME` makes the service of that name wait, a line is added to
`NAME.calls` at each call, and to `NAME.done` when it goes on.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from graph.events import Emit, UsageReported
from graph.publication import ChangeOnNewBase, GateReport, PullRequest
from graph.services import Publication, Publisher, Role, Services
from graph.spending import Usage
from graph.tasks import RoleResult, RoleTask
from graph.values import Base, Change, Review
from tests.standins.services.scripted_services import Script
from tests.support.polling import until

ResultT = TypeVar("ResultT", bound=RoleResult)


@dataclass(frozen=True)
class Pace:
    """Where services wait; `folder` is made at need."""

    folder: Path

    def hold(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"hold-{name}").touch()

    def let_go(self, name: str) -> None:
        (self.folder / f"hold-{name}").unlink()

    def calls(self, name: str) -> int:
        return self._count(f"{name}.calls")

    def done(self, name: str) -> int:
        return self._count(f"{name}.done")

    async def reached(self, name: str, calls: int = 1) -> None:
        """Return once the service has been called so often."""
        await until(lambda: self.calls(name) >= calls)

    async def at(self, name: str) -> None:
        """What a service does first."""
        self._note(f"{name}.calls")
        await until(lambda: not (self.folder / f"hold-{name}").exists())
        self._note(f"{name}.done")

    def services(self, script: Script) -> Services:
        scripted = script.services()
        return replace(
            scripted,
            planner=_PacedRole(self, "plan", scripted.planner),
            coder=_PacedRole(self, "code", scripted.coder),
            fixer=_PacedRole(self, "fix", scripted.fixer),
            reviewer=_PacedRole(self, "review", scripted.reviewer),
            publisher=_PacedPublisher(self, scripted.publisher),
        )

    def _note(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("a") as file:
            file.write("x\n")

    def _count(self, name: str) -> int:
        path = self.folder / name
        return len(path.read_text().splitlines()) if path.exists() else 0


def usage(task: RoleTask) -> UsageReported:
    """The usage that a role reports, once for a step however often it is called."""
    return UsageReported(
        key=f"usage:{task.step}",
        role=task.role,
        model="claude-test",
        usage=Usage(input_tokens=100, output_tokens=10),
        cost_usd=0.01,
        run_cost_usd=0.01 * task.step,
    )


@dataclass
class _PacedRole(Generic[ResultT]):
    pace: Pace
    name: str
    inner: Role[ResultT]

    async def __call__(self, task: RoleTask, emit: Emit) -> ResultT:
        emit(usage(task))
        await self.pace.at(self.name)
        return await self.inner(task, emit)


@dataclass
class _PacedPublisher:
    pace: Pace
    inner: Publisher

    async def check_publishable(
        self, run_id: str, base: Base, branch: str, title: str | None, emit: Emit
    ) -> tuple[str, ...]:
        return await self.inner.check_publishable(run_id, base, branch, title, emit)

    async def gate(
        self, run_id: str, base: Base, change: Change, allow: tuple[str, ...]
    ) -> GateReport:
        return await self.inner.gate(run_id, base, change, allow)

    async def publish(self, publication: Publication, emit: Emit) -> PullRequest | ChangeOnNewBase:
        await self.pace.at("publish")
        return await self.inner.publish(publication, emit)

    async def check_reviewable(self, base: Base) -> None:
        await self.inner.check_reviewable(base)

    async def submit_review(
        self, run_id: str, base: Base, change: Change, review: Review, emit: Emit
    ) -> PullRequest:
        await self.pace.at("publish")
        return await self.inner.submit_review(run_id, base, change, review, emit)
