"""Containers of roles that a run starts ahead."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from graph import NO_ENVIRONMENT, RoleName
from graph.errors import RoleLost
from runs.remote_roles import Play
from tests.standins.deployment import FakeDeployment
from tests.standins.directory_sandbox import DirectorySandboxes
from tests.standins.services.scripted_services import BASE
from tests.standins.shared_backend import FolderMount, SharedPlaces
from wiring.configuration import Configuration
from wiring.deployed import RoleStarts, SharedWorkspaces
from wiring.settings import Settings


class Functions:
    """Of roles: what they are called with, and which calls were given up. The coder's is lost."""

    def __init__(self) -> None:
        self.called: list[tuple[RoleName, dict[str, Any]]] = []
        self.given_up: list[RoleName] = []

    def play(self, role: RoleName) -> Play:
        async def play(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
            self.called.append((role, task))
            if role == "coder":
                raise RoleLost("It did not start.")
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.append(role)
            yield {}

        return play


async def test_a_container_is_begun_with_the_tree_of_its_role(tmp_path: Path) -> None:
    functions, sandboxes = Functions(), DirectorySandboxes(tmp_path)
    configuration, mount = Configuration(Settings(data_dir=tmp_path), "1"), FolderMount(tmp_path)
    backend = SharedPlaces(tmp_path).backend
    records = FakeDeployment(configuration, backend, mount, sandboxes).records
    starts = RoleStarts(functions.play)
    workspaces = SharedWorkspaces(mount, records.store("one"), records, sandboxes, starts)
    workspaces.begin_plan_tree("run")
    workspaces.begin_live_tree("run", BASE, NO_ENVIRONMENT)
    workspaces.begin_review_tree("run", BASE, NO_ENVIRONMENT, 3)
    await asyncio.sleep(0)
    assert functions.called == [("planner", {}), ("coder", {}), ("reviewer", {})]
    await starts.close()
    assert sorted(functions.given_up) == ["planner", "reviewer"]


async def test_a_call_without_a_task_says_nothing(tmp_path: Path) -> None:
    configuration, mount = Configuration(Settings(data_dir=tmp_path), "1"), FolderMount(tmp_path)
    backend = SharedPlaces(tmp_path).backend
    deployment = FakeDeployment(configuration, backend, mount, DirectorySandboxes(tmp_path))
    assert [item async for item in deployment.play_role({}, call="one")] == []
