"""What the scheduled function does with runs that lie about. The places are of this process."""

import time
from pathlib import Path
from typing import Any

import pytest

from graph.request.run_request import RunRequest
from runs.model.run import Lease
from runs.model.run_id import RunIds
from runs.model.run_record import Caller
from runs.shared.store import SharedStore
from sandbox.core.protocol import Sandbox, Sandboxes, SetUpReport, TreeSpec
from sandbox.tree import PLAN_TREES
from tests.standins.deployment import FakeDeployment
from tests.standins.sample_runs import run_of
from tests.standins.shared_backend import FolderMount, SharedPlaces
from tests.support.polling import until
from wiring.configuration import Configuration
from wiring.deployed import begun_with
from wiring.settings import Settings

DAY_S = 86_400.0


class NoSandboxes(Sandboxes):
    """Where no tree was opened; `begun` are those that are expected."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str]] = []

    def begin(self, run_id: str, name: str, spec: TreeSpec | None = None) -> None:
        self.begun.append((run_id, name))

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        raise AssertionError("nothing is opened")

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        raise AssertionError("nothing is kept")

    async def discard(self, run_id: str, name: str) -> None: ...

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None: ...


def old_id(monkeypatch: pytest.MonkeyPatch, age_s: float) -> str:
    """An id as it would have been made then."""
    now = time.time_ns()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: now - int(age_s * 1e9))
        return RunIds().new()


async def test_what_lies_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, now = SharedPlaces(tmp_path), time.time()
    configuration = Configuration(Settings(keep_days=30), "1")
    deployment = FakeDeployment(configuration, shared.backend, FolderMount(tmp_path), NoSandboxes())
    store = SharedStore(shared.backend, service="test", slots=3)

    async def add(age_s: float, **values: Any) -> str:
        run_id = old_id(monkeypatch, age_s)
        await store.create(
            run_of(run_id=run_id, updated_at=now - age_s, **values), None, lambda _: []
        )
        (tmp_path / "runs" / run_id).mkdir(parents=True)
        return run_id

    dead, living = (Lease(service="s", token="t", until=until) for until in (now - 1, now + 99))
    lost = await add(400, status="running", lease=dead)
    never_started = await add(400, status="queued")
    waits_for_a_slot = await add(400, status="queued")
    deployment.spawned.append(waits_for_a_slot)
    fresh = await add(1, status="queued")
    driven = await add(400, status="running", lease=living)
    unanswered = await add(8 * DAY_S, status="waiting", plan_id="plan-1")
    answerable = await add(6 * DAY_S, status="waiting", plan_id="plan-1")
    old, recent = await add(31 * DAY_S, status="failed"), await add(29 * DAY_S, status="failed")
    stray = old_id(monkeypatch, 2 * DAY_S)
    (tmp_path / "runs" / stray).mkdir()

    await deployment.tidy_up()

    assert {lost, never_started} <= set(deployment.spawned)
    assert deployment.spawned.count(waits_for_a_slot) == 1
    assert {fresh, driven, answerable, old, recent}.isdisjoint(deployment.spawned)
    ended = await store.get(unanswered)
    assert ended
    assert ended.status == "cancelled"
    assert await store.get(old) is None
    left = {path.name for path in (tmp_path / "runs").iterdir()}
    assert {old, stray}.isdisjoint(left)
    assert {recent, answerable, driven, lost} <= left
    (kept,) = deployment.active
    assert {lost, never_started, waits_for_a_slot, fresh, driven, unanswered, answerable} == set(
        kept
    )


async def test_what_is_in_no_file_yet_is_filed_within_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was cancelled before it began has no function that would write its events."""
    shared, now = SharedPlaces(tmp_path), time.time()
    configuration = Configuration(Settings(keep_days=30), "1")
    deployment = FakeDeployment(configuration, shared.backend, FolderMount(tmp_path), NoSandboxes())
    async with deployment.open_service(deployment.records.store("api")) as runs:
        record, _ = await runs.start(
            RunRequest(repo_url="https://github.com/octo/a", prompt="p"), owner="me"
        )
        assert deployment.spawned == [record.run_id]
        assert await runs.cancel(record.run_id, Caller("me"))
        assert deployment.spawned == []
    for round_ in range(144):
        monkeypatch.setattr(time, "time", lambda at=now + round_ * 600.0: at)
        await deployment.tidy_up()
    assert deployment.spawned == [record.run_id]


async def test_what_a_run_plans_with_is_begun_as_it_is_entered(tmp_path: Path) -> None:
    """Once, and only where it begins at once, with a plan."""
    trees, begun = NoSandboxes(), list[str]()
    settings = Settings(data_dir=tmp_path, max_concurrent_runs=2)
    configuration, backend = Configuration(settings, "1"), SharedPlaces(tmp_path).backend
    deployment = FakeDeployment(configuration, backend, FolderMount(tmp_path), trees)
    plain = RunRequest(repo_url="https://github.com/octo/a", prompt="p")
    pull = RunRequest(**plain, pull_request_url="https://github.com/octo/a/pull/1")
    async with deployment.open_service(deployment.records.store("api")) as runs:
        for request, key in ((pull, "1"), (plain, "2"), (plain, "2"), (plain, "3")):
            record, _ = await runs.start(request, owner="me", idempotency_key=key)
            begun.append(record.run_id)
        await until(lambda: bool(deployment.begun))
        assert deployment.spawned == list(dict.fromkeys(begun)), "a repeated request starts nothing"
        lost = deployment.spawned.pop()
        await runs.start(plain, owner="me", idempotency_key="3")
        assert deployment.spawned[-1] == lost
    planned = begun[1]
    assert deployment.plan_at_once == [planned]
    assert trees.begun == [(planned, "plan"), (planned, "setup-0")]
    assert deployment.begun == ["planner"]
    assert begun_with(time.time()) == (PLAN_TREES, ("planner",))
    assert begun_with(time.time() - 60) == begun_with(0) == ((), ()), "it is begun by `run` then"
