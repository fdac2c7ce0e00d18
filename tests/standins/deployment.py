"""A deployment in one process: its functions are noted instead of being started."""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graph.values import RoleName
from runs.remote_roles.caller import Play
from sandbox.core.protocol import Sandboxes
from wiring.modal_functions import Deployment, IsWanted


@dataclass(frozen=True)
class FakeDeployment(Deployment):
    """`spawned` are the runs that were started, `active` those that `end_orphans` let be.

    `plan_at_once` are those that were started so, `begun` the roles whose containers were begun.
    """

    trees: Sandboxes
    spawned: list[str] = field(default_factory=list)
    active: list[Collection[str]] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)
    plan_at_once: list[str] = field(default_factory=list)
    begun: list[RoleName] = field(default_factory=list)

    def sandboxes(
        self,
        runs: Path,
        *,
        is_wanted: IsWanted | None = None,
        begun_elsewhere: Collection[str] = (),
    ) -> Sandboxes:
        return self.trees

    async def end_orphans(self, active: Collection[str]) -> None:
        self.active.append(active)

    async def forget_set_ups(self, repo: str) -> bool:
        return False

    async def spawn(self, run_id: str, plans_at_once: bool = False) -> None:
        self.spawned.append(run_id)
        if plans_at_once:
            self.plan_at_once.append(run_id)

    async def wake_triggers(self) -> None:
        self.woken.append(len(self.woken))

    async def withdraw(self, run_id: str) -> None:
        if run_id in self.spawned:
            self.spawned.remove(run_id)

    async def is_started(self, run_id: str) -> bool:
        return run_id in self.spawned

    def play(self, role: RoleName) -> Play:
        async def play(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
            assert not task, f"the {role} is played: {task}"
            self.begun.append(role)
            for item in list[dict[str, Any]]():
                yield item

        return play
