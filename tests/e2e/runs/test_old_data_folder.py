"""A data folder that an earlier release left is opened: what it holds is read, used and gone on."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import ormsgpack
import pytest
import pytest_asyncio
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command
from pydantic import BaseModel

from graph.values import Outcome
from local import open_graph
from runs.checkpoints.local_checkpoints import open_checkpointer
from tests.support.whole_runs.claude_script import (
    MORNING,
    Script,
    approve,
    done,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.old_data_folder import OldDataFolder
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

FINISHED: Final = "Greet in the morning, and mend what is wrong."
REFUSED: Final = "Greet in the morning, without the right to push."
SPENT: Final = "Greet in the morning, for next to nothing."
WAITING: Final = "Greet in the morning, once I have said yes."
MOVED: Final = "Greet in the morning, on ground that moves."
CUT_OFF: Final = "Greet in the morning, in spite of a crash."
THREAD: Final = "Greet in the morning, from Python."
LEFT: Final[dict[str, Script]] = {
    FINISHED: {},
    REFUSED: {},
    SPENT: {"coder": [shell(MORNING), done()], "reviewer": [approve()]},
    WAITING: small_change(planner=[]),
    MOVED: {"reviewer": [approve()]},
    CUT_OFF: {"coder": [shell("cat greet.py"), done()], "reviewer": [approve()]},
    THREAD: small_change(planner=[]),
}
"""What Claude has yet to say in each run: what was said is not asked for again."""
FETCH: Final = ".git/git-upload-pack"
KEPT_DAYS: Final = 36_500


@dataclass(frozen=True)
class OldWorld:
    """The service of today over the data folder of then."""

    world: World
    told: dict[str, Any]
    repo: Hosted
    moving: Hosted
    kept: dict[Path, tuple[int, int, int]]
    """The kept files that are never written again, and how they looked."""

    def told_of(self, prompt: str) -> dict[str, Any]:
        told: dict[str, Any] = self.told["runs"][prompt]
        return told

    def run(self, prompt: str) -> Run:
        """The run, of which nothing was read yet."""
        return Run(self.world.service.http, self.told_of(prompt)["runId"], prompt)

    async def ended(self, prompt: str) -> Run:
        """The run with its whole log."""
        return await self.run(prompt).watch().ended()

    async def check_succeeded(self, run: Run) -> None:
        await self.world.check(run)
        assert run.end["status"] == "succeeded"
        for name, counted in run.end["usage"].items():
            assert counted == sum(usage[name] for usage in run.of("usage"))

    def change_of(self, run: Run) -> str:
        """What the run's branch on the forge changes."""
        repo = self.moving if run.prompt == MOVED else self.repo
        return repo.diff(run.end["branch"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def old() -> AsyncIterator[OldWorld]:
    async with World.open(keep_days=KEPT_DAYS) as world:
        folder = OldDataFolder.unpack(world.folder)
        hosts = tuple(folder.told["setup"]["hosts"])
        world.settings = world.settings.model_copy(update={"setup_hosts": hosts})
        repo, moving = [
            Hosted(await world.forge.add_repository(name, bundle), f"{world.forge.address}/{name}")
            for name, bundle in folder.repositories.items()
        ]
        shas = {
            hosted.repository.full_name: hosted.git("rev-parse", "main").decode().strip()
            for hosted in (repo, moving)
        }
        folder = folder.move(world.forge.address, shas)
        for prompt, script in LEFT.items():
            world.cast.learn(prompt, script)
        kept = looks(world.data)
        async with world.serving():
            yield OldWorld(world, folder.told, repo, moving, kept)


def looks(data: Path) -> dict[Path, tuple[int, int, int]]:
    """Size, time of change and number of each kept result of set-up and each pack of a base."""
    found = [*data.glob("setups/*.tar"), *data.glob("bases/*/*.git/objects/pack/*.pack")]
    stats = {path: path.stat() for path in found}
    return {path: (told.st_size, told.st_mtime_ns, told.st_ino) for path, told in stats.items()}


BILLED_USD = 1e-8
"""The price of a token of the cheapest kind."""


def contains(found: Any, told: Any) -> bool:
    """Whether all that was told then is told now; more may be, and money to what is billed."""
    if isinstance(told, dict):
        return isinstance(found, dict) and all(
            name in found and contains(found[name], value) for name, value in told.items()
        )
    if isinstance(told, list):
        return len(found) == len(told) and all(map(contains, found, told))
    if isinstance(told, float):
        return bool(found == pytest.approx(told, abs=BILLED_USD))
    return bool(found == told)


async def test_a_run_that_has_ended_is_listed_and_shown(old: OldWorld) -> None:
    answer = await old.world.service.http.get("/runs", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    listed = {run["runId"]: run for run in answer.json()["runs"]}
    assert {told["runId"] for told in old.told["runs"].values()} <= set(listed)
    told, run = old.told_of(FINISHED), await old.ended(FINISHED)
    assert listed[run.run_id]["status"] == "succeeded"
    assert contains(run.events, told["events"])
    assert contains(
        await run.view(), {**told["view"], "updatedAt": (await run.view())["updatedAt"]}
    )
    assert (await run.diff()).decode() == told["diff"]


async def test_a_plan_that_waits_is_approved(old: OldWorld) -> None:
    run = old.run(WAITING)
    view = await run.view()
    assert (view["status"], view["planId"]) == ("waiting", "plan-1")
    answer = await run.call("POST", "/plan", planId="plan-1", decision="approve")
    assert answer.status_code == 202, answer.text
    await old.check_succeeded(await run.watch().ended())
    assert run.nodes[:4] == [
        ("prepare", "ok"),
        ("plan", "ok"),
        ("approve", "approved"),
        ("code", "ok"),
    ]
    assert "+    return f'Good morning {name}'" in old.change_of(run)
    (asked, _) = old.world.cast.asked(WAITING, "coder")
    assert "Say nothing else" in str(asked["messages"])


async def test_a_run_cut_off_in_a_command_goes_on_with_what_was_received(old: OldWorld) -> None:
    run, told = await old.ended(CUT_OFF), old.told_of(CUT_OFF)["events"]
    await old.check_succeeded(run)
    assert contains(run.events[: len(told)], told)
    assert [event["status"] for event in run.of("run.finished")] == ["interrupted", "succeeded"]
    asked, _ = old.world.cast.asked(CUT_OFF, "coder")
    assert [message["role"] for message in asked["messages"]] == [
        *("user", "assistant", "user", "assistant", "user")
    ]
    assert MORNING in str(asked["messages"][1])
    assert "interrupted, may have run in part" in str(asked["messages"][-1])
    assert "Keep it short." in str(asked["messages"][-1])
    assert "+    return f'Good morning {name}'" in old.change_of(run)


async def test_a_run_cut_off_on_a_newer_base_is_judged_there(old: OldWorld) -> None:
    run, told = await old.ended(MOVED), old.told_of(MOVED)["events"]
    await old.check_succeeded(run)
    assert contains(run.events[: len(told)], told)
    assert [name for name, _ in run.nodes[3:]] == [
        *("validate", "review", "publish", "validate", "review", "review", "publish")
    ]
    assert len(old.world.cast.asked(MOVED, "reviewer")) == 1
    parent = old.moving.git("rev-parse", f"{run.end['branch']}^")
    assert parent == old.moving.git("rev-parse", "main")


async def test_a_run_that_failed_is_resumed_where_it_stopped(old: OldWorld) -> None:
    run = await old.ended(REFUSED)
    assert run.error == "github_forbidden"
    await run.resume()
    await old.check_succeeded(run)
    assert run.nodes[-2:] == [("publish", "error"), ("publish", "ok")]
    assert "+    return f'Good morning {name}'" in old.change_of(run)


async def test_a_run_without_money_is_resumed_with_more(old: OldWorld) -> None:
    run = await old.ended(SPENT)
    assert run.end["status"] == "budget_exhausted"
    await run.resume(maxCostUsd=5)
    await old.check_succeeded(run)
    asked = old.world.cast.asked(SPENT, "coder")
    turns = [sum(m["role"] == "assistant" for m in request["messages"]) for request in asked]
    assert turns == [1, 2]


async def test_a_thread_of_python_code_goes_on(old: OldWorld) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": old.told["thread"]}}
    async with open_graph(old.world.settings) as graph:
        answer: Command[Any] = Command(resume={"decision": "approve"})
        state = await graph.ainvoke(answer, config)
    assert state["outcome"] == Outcome(status="succeeded")
    assert old.world.cast.untold(THREAD) == {}


async def test_kept_bases_and_set_ups_are_used_and_not_made_again(old: OldWorld) -> None:
    """Nobody serves packages any more; the forge is asked for branches and what may be opened."""
    for prompt in (CUT_OFF, MOVED):
        await old.ended(prompt)
    requests = old.world.forge.requests
    before, prompt = len(requests), "Greet in the morning, by what is kept."
    setup = old.told["setup"]["commands"]
    run = await old.world.start(prompt, old.repo, small_change(), setup=setup, approvePlan=True)
    await run.until("plan.waiting")
    asked = [request.path for request in requests[before:] if request.method == "POST"]
    name = old.repo.repository.full_name
    the_base = branches = f"/{name}{FETCH}"
    right_to_open_one = f"/api/v3/repos/{name}/pulls"
    assert asked == [the_base, right_to_open_one, branches]
    await run.call("POST", "/plan", planId="plan-1", decision="approve")
    await run.ended()
    await old.check_succeeded(run)
    (command,) = run.one("validation.finished")["commands"]
    assert old.told["made"] in command["output"]
    assert looks(old.world.data) == old.kept


@dataclass(frozen=True)
class Kept:
    """A value of a class, as a checkpoint keeps it."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)


def _kept(_: int, data: bytes) -> Kept:
    _, name, fields, *_ = ormsgpack.unpackb(data, ext_hook=_kept, option=ormsgpack.OPT_NON_STR_KEYS)
    return Kept(name, fields)


def pairs(found: Any, kept: Any) -> Iterator[tuple[Any, Kept]]:
    """What was read of each kept value of a class."""
    if isinstance(kept, Kept):
        yield found, kept
    elif isinstance(kept, dict):
        for name, value in kept.items():
            yield from pairs(found[name], value)
    elif isinstance(kept, list):
        for one, value in zip(found, kept, strict=True):
            yield from pairs(one, value)


async def test_every_value_of_a_checkpoint_comes_back_as_one(tmp_path: Path) -> None:
    """A class that is not found, or does not fit, would come back as plain data, or unchecked."""
    old, seen = OldDataFolder.unpack(tmp_path), set[str]()
    databases = [*old.data.glob("runs/*/checkpoint.db"), old.data / "threads.db"]
    assert len(databases) == len(LEFT)
    for path in databases:
        async with open_checkpointer(path) as saver:
            rows = list(await saver.conn.execute_fetchall("SELECT checkpoint FROM checkpoints"))
            read = {
                found.config["configurable"]["checkpoint_id"]: found.checkpoint
                async for found in saver.alist(None)
            }
        assert len(rows) == len(read)
        for (blob,) in rows:
            kept = ormsgpack.unpackb(blob, ext_hook=_kept, option=ormsgpack.OPT_NON_STR_KEYS)
            for found, value in pairs(read[kept["id"]], kept):
                assert isinstance(found, BaseModel), f"{path}: {value.name} came back as {found}"
                assert type(found).model_validate(found.model_dump()) == found
                assert contains(found.model_dump(mode="json"), value.fields)
                seen.add(value.name)
    assert len(seen) == 15
