"""Where a role is played for a run that is driven elsewhere: the slot, the tries, the messages."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from graph.errors import RoleSuperseded
from graph.events import Emit, RoleText
from graph.spending import Spend
from graph.tasks import PlannerResult, RoleTask
from runs.model.attempts import Step
from runs.model.run import Lease
from runs.model.transitions import add_message
from runs.remote_roles.run_notes import NoteReader, put_run_note
from runs.remote_roles.worker import RoleWorker, RoleWorkerFence
from runs.shared.store import SharedStore
from runs.shared.version_chain import VersionChain, message_note, role_note
from runs.store.role_calls import number_call
from tests.runs.remote_roles.test_caller import TASK
from tests.standins.sample_runs import run_of
from tests.standins.shared_backend import FolderMount, SharedPlaces
from tests.support.polling import until

Item = dict[str, Any]
RESULT = PlannerResult(plan=None, reason="done", spend=Spend())


class Bench:
    """A run whose role is called, and the places that its processes share."""

    def __init__(self, root: Path) -> None:
        self.shared = SharedPlaces(root)
        self.mount = FolderMount(root)
        self.notes = self.shared.tables["changes"]
        self.store = SharedStore(self.shared.backend, service="driver", slots=1, mount=self.mount)
        self.run_id = ""
        self.look_s = 1.5
        self.clock, self.wall_clock = time.monotonic, time.time
        self.told = NoteReader(
            self.notes, VersionChain(self.shared.backend), self.shared.backend.runs
        )

    @property
    def task(self) -> RoleTask:
        return TASK.model_copy(update={"run_id": self.run_id, "fence": 1})

    async def begin(self) -> None:
        lease = Lease(service="driver", token="t", until=1e12)
        run, _ = await self.store.create(run_of(status="running", lease=lease), None, lambda _: [])
        self.run_id = run.run_id
        numbered = await number_call(self.store, run.run_id)
        await self.mount.keep({f"runs/{run.run_id}/fence": b"%d" % numbered.fence})

    def worker(self, call: str) -> RoleWorker:
        return RoleWorker(
            self.task,
            call=call,
            mount=self.mount,
            notes=self.notes,
            runs=self.told,
            look_s=self.look_s,
            clock=self.clock,
            wall_clock=self.wall_clock,
        )

    async def play(self, call: str, role: Callable[[Emit], Awaitable[None]]) -> list[Item]:
        async def played(task: RoleTask, emit: Emit) -> PlannerResult:
            assert task == self.task
            await role(emit)
            return RESULT

        return [item async for item in self.worker(call).run(played)]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    await bench.begin()
    return bench


async def says(emit: Emit) -> None:
    emit(RoleText(key="k", role="planner", text="I look."))


async def test_a_call_says_its_name_its_events_and_its_result(bench: Bench) -> None:
    items = await bench.play("in-1", says)
    assert items[0] == {"call": "in-1"}
    assert [item["event"]["type"] for item in items if "event" in item] == ["role.text"]
    assert items[-1] == {"result": RESULT.model_dump(mode="json")}
    assert await bench.notes.get(role_note(bench.run_id)) is None


async def test_a_call_that_is_begun_again_says_nothing_and_leaves_the_slot(bench: Bench) -> None:
    """Its machine went without a warning; another call then goes on at once."""
    begun = asyncio.Event()

    async def hangs(_: Emit) -> None:
        begun.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(bench.play("in-1", hangs))
    await begun.wait()
    slot = await bench.notes.get(role_note(bench.run_id))
    first.cancel()
    await asyncio.wait((first,))
    await bench.notes.put(role_note(bench.run_id), slot)  # as it was left where nothing was tidied
    assert [item for item in await bench.play("in-1", says) if item] == [{"call": "in-1"}]
    async with asyncio.timeout(60):
        assert (await bench.play("in-2", says))[-1] == {"result": RESULT.model_dump(mode="json")}


async def test_a_slot_that_a_client_asks_for_again_by_itself_is_taken_at_once(
    bench: Bench,
) -> None:
    bench.notes.repeated.add(role_note(bench.run_id))
    async with asyncio.timeout(5):
        assert (await bench.play("in-1", says))[-1] == {"result": RESULT.model_dump(mode="json")}


async def test_a_call_asks_seldom(bench: Bench) -> None:
    """Of the record and the slot as it begins: the slot is seen a moment before its end."""
    bench.look_s, bench.clock, bench.wall_clock = 60.0, lambda: 0.0, lambda: 0.0
    await bench.play("in-1", says)
    tables = bench.shared.tables["runs"], bench.notes
    read = sum(table.read for table in tables)
    assert (await bench.play("in-2", says))[-1] == {"result": RESULT.model_dump(mode="json")}
    assert sum(table.read for table in tables) == read + 2


async def test_a_slot_that_another_may_take_by_now_is_looked_at_before_it_is_given_up(
    bench: Bench,
) -> None:
    """The note could not be renewed for long: what was seen of it a moment ago may not be so."""
    taken = {"fence": 2, "call": "in-2", "who": "x", "at": time.time()}
    worker = bench.worker("in-1")
    fence = RoleWorkerFence(worker)

    async def plays(task: RoleTask, emit: Emit) -> PlannerResult:
        assert task.run_id == bench.run_id
        await says(emit)
        old = await bench.notes.get(worker.key) | {"at": time.time() - 9}
        await bench.notes.put(worker.key, old)
        await asyncio.to_thread(fence.check)
        await bench.notes.put(worker.key, taken)
        return RESULT

    assert "result" in [item async for item in worker.run(plays)][-1]
    assert await bench.notes.get(worker.key) == taken


async def test_a_call_that_is_cancelled_as_it_takes_the_slot_gives_it_back(bench: Bench) -> None:
    """What it asked for may have been done, though no answer came."""
    slot = role_note(bench.run_id)
    bench.notes.unanswered.add(slot)
    call = asyncio.create_task(bench.play("in-1", says))
    await until(lambda: slot in bench.notes.kept)
    call.cancel()
    await asyncio.wait((call,))
    assert slot not in bench.notes.kept


async def test_a_call_that_is_cancelled_again_as_it_saves_leaves_nothing_at_work(
    bench: Bench,
) -> None:
    begun, others = asyncio.Event(), asyncio.all_tasks()

    async def saves(_: Emit) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)

    call = asyncio.create_task(bench.play("in-1", saves))
    await begun.wait()
    for _ in range(2):
        call.cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait((call,))
    assert role_note(bench.run_id) not in bench.notes.kept
    assert asyncio.all_tasks() == others


async def test_a_message_that_is_numbered_before_it_can_be_read_is_heard(bench: Bench) -> None:
    """And one that never comes keeps none of the others."""
    bench.look_s = 0.05
    heard = bench.mount.root / "runs" / bench.run_id / "messages"

    async def number(count: int) -> None:
        for _ in range(count):
            await bench.store.transact(bench.run_id, partial(add_message, text="Hi.", by="ann"))

    async def write(number: int, text: str) -> None:
        await bench.notes.put(message_note(bench.run_id, number), {"text": text})

    async def listens(_: Emit) -> None:
        assert json.loads((heard / "0001.json").read_bytes())["text"] == "before it began"
        await number(3)
        await asyncio.sleep(0.2)
        await write(4, "d")
        await until((heard / "0004.json").exists)
        await write(2, "b")
        await until((heard / "0002.json").exists)

    await number(1)
    await write(1, "before it began")
    assert "result" in (await bench.play("in-1", listens))[-1]
    assert not (heard / "0003.json").exists()


async def test_a_write_of_a_superseded_call_is_refused(bench: Bench) -> None:
    """It is asked for in a thread, and the tables are asked on the loop."""
    worker = bench.worker("in-1")
    fence = RoleWorkerFence(worker)

    async def writes(task: RoleTask, emit: Emit) -> PlannerResult:
        assert task.run_id == bench.run_id
        await says(emit)
        commits = bench.mount.commits
        await asyncio.to_thread(fence.check)
        await asyncio.to_thread(fence.kept)
        assert bench.mount.commits == commits + 1
        await bench.notes.put(worker.key, {"fence": 2, "call": "in-2", "who": "x", "at": 1e12})
        await asyncio.to_thread(fence.check)
        raise AssertionError("the write went through")

    items = [item async for item in worker.run(writes)]
    assert isinstance(items[-1]["error"], RoleSuperseded)


async def test_a_call_whose_slot_was_taken_while_it_waited_for_its_files_is_not_played(
    bench: Bench,
) -> None:
    fence = f"runs/{bench.run_id}/fence"
    await bench.mount.keep({fence: b"0"})
    taken = {"fence": 2, "call": "in-2", "who": "x", "at": 1e12}

    async def takes() -> None:
        await until(lambda: role_note(bench.run_id) in bench.notes.kept)
        await bench.notes.put(role_note(bench.run_id), taken)
        await bench.mount.keep({fence: b"1"})

    async def plays(_: Emit) -> None:
        raise AssertionError("two calls work in one tree")

    taking = asyncio.create_task(takes())
    assert isinstance((await bench.play("in-1", plays))[-1]["error"], RoleSuperseded)
    await taking
    assert await bench.notes.get(role_note(bench.run_id)) == taken


async def test_a_cancelled_run_has_its_role_stop(bench: Bench) -> None:
    bench.look_s = 0.05

    async def hangs(_: Emit) -> None:
        await bench.store.transact(bench.run_id, lambda run: Step(run.replace(cancelling=True)))
        await asyncio.Event().wait()

    assert isinstance((await bench.play("in-1", hangs))[-1]["error"], RoleSuperseded)


async def test_a_role_goes_by_the_note_of_a_run_whose_record_it_cannot_read(bench: Bench) -> None:
    """The note brings messages, and has the role stop."""
    bench.look_s = 0.05
    run = await bench.store.get(bench.run_id)
    assert run
    bench.shared.expire()
    heard = bench.mount.root / "runs" / bench.run_id / "messages"

    async def listens(_: Emit) -> None:
        await bench.notes.put(message_note(bench.run_id, 1), {"text": "Hi."})
        await put_run_note(bench.notes, run.replace(fence=1, messages=1))
        await until((heard / "0001.json").exists)
        await put_run_note(bench.notes, run.replace(fence=1, messages=1, cancelling=True))
        await asyncio.Event().wait()

    await put_run_note(bench.notes, run)
    assert isinstance((await bench.play("in-1", listens))[-1]["error"], RoleSuperseded)
    await put_run_note(bench.notes, run.replace(fence=2))
    assert isinstance((await bench.play("in-2", says))[-1]["error"], RoleSuperseded)
