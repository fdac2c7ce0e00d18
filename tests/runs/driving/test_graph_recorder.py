"""Runs of a graph that a program calls are kept, watched, steered and removed like all others."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.types import Command

from graph import Approval, Limits, Outcome, build_graph
from graph.errors import (
    DailyBudgetExhausted,
    RunActive,
    RunFinished,
    RunNotWaiting,
    StoreDamaged,
    StoreError,
)
from graph.state import fresh_state
from runs.checkpoints.local_checkpoints import open_checkpointer
from runs.driving.clean_up import CleanUp
from runs.driving.graph_recorder import GraphRecorder
from runs.driving.run_folder_files import threads_file
from runs.model.attempts import Step
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.operator_limits import RaisedLimits
from runs.model.run import Lease, Run
from runs.sqlite.store import SqliteStore
from runs.store.protocol import Decide
from tests.standins.services.run_service import (
    ME,
    REQUEST,
    House,
    config_of,
    log_of,
    seen,
    started,
    story,
)
from tests.support.cut_short import cut_at_each_step
from tests.support.polling import until

DAY_S = 86_400.0
THREAD: Any = {"configurable": {"thread_id": "Mine-1"}}
RUN = "Mine-1"


@asynccontextmanager
async def called(house: House) -> AsyncIterator[Any]:
    """The graph as a program opens it."""

    async def close(run_id: str) -> None:
        house.closed.append(run_id)

    runs = house.folder / "runs"
    runs.mkdir(exist_ok=True)
    recorder = GraphRecorder(house.store(house.database), config_of(house.folder), CleanUp(close))
    async with open_checkpointer(threads_file(runs)) as saver, recorder:
        services = house.pace.services(house.script)
        graph = build_graph(services, Limits(), call_node=recorder)
        yield graph.compile(checkpointer=saver)


async def test_a_called_run_has_the_log_of_a_driven_one(house: House) -> None:
    async with house.open() as service:
        driven = story(await log_of(service, await started(service)))
    async with called(house) as graph:
        state = await graph.ainvoke(REQUEST, THREAD)
    assert state["outcome"].status == "succeeded"
    async with house.open(pick_up=False) as service:
        events = await log_of(service, RUN)
        assert story(events) == [word for word in driven if word != "queued"]
        view = await service.view(RUN, ME)
    assert (view["status"], view["prompt"]) == ("succeeded", REQUEST["prompt"])
    assert view["costUsd"] == pytest.approx(0.03)
    assert view["plan"]
    assert view["pr"]
    assert len(view["validations"]) == len(view["reviews"]) == 1


async def test_called_runs_are_listed_by_their_age(house: House) -> None:
    async with house.open() as service:
        first = await started(service)
        await log_of(service, first)
        async with called(house) as graph:
            for name in ("zz", "00"):
                await graph.ainvoke(REQUEST, {"configurable": {"thread_id": name}})
        last = await started(service)
        await log_of(service, last)
        names, cursor = list[str](), None
        for _ in range(4):
            (record,), cursor = await service.list(ME, limit=1, cursor=cursor)
            names.append(record.run_id)
        assert (names, cursor) == ([last, "00", "zz", first], None)
        with pytest.raises(DailyBudgetExhausted, match="cost today"):
            await service.start(REQUEST, owner="local", day=DayLimits(caller_usd=0.119))
        await service.start(REQUEST, owner="local", day=DayLimits(caller_usd=0.121))


async def test_a_called_run_is_watched_while_it_works(house: House) -> None:
    house.pace.hold("code")
    async with called(house) as graph, house.open() as service:
        calling = asyncio.create_task(graph.ainvoke(REQUEST, THREAD))
        await house.pace.reached("code")
        await seen(service, RUN, "usage")
        assert (await service.get(RUN, ME)).status == "running"
        with pytest.raises(RunActive):
            await service.delete(RUN, ME)
        await service.message(RUN, ME, "Mind the gap.")
        house.pace.let_go("code")
        assert story(await log_of(service, RUN))[-1] == "finished:succeeded"
        assert (await calling)["outcome"].status == "succeeded"
    assert list((house.folder / "runs" / RUN / "messages").iterdir())


async def test_a_plan_waits_for_the_program_that_asked(house: House) -> None:
    async with called(house) as graph:
        state = await graph.ainvoke({**REQUEST, "approve_plan": True}, THREAD)
        assert state["__interrupt__"]
    async with house.open() as service:
        view = await service.view(RUN, ME)
        assert (view["status"], view["node"]) == ("waiting", "approve")
        approval = Approval(decision="approve", plan_id=view["planId"])
        with pytest.raises(RunNotWaiting, match="program"):
            await service.answer_plan(RUN, ME, approval)
        async with called(house) as graph:
            state = await graph.ainvoke(Command(resume={"decision": "approve"}), THREAD)
        assert state["outcome"].status == "succeeded"
        told = story(await log_of(service, RUN))
    assert [word for word in told if word.startswith("approve")] == ["approve1", "approve:approved"]
    assert "resumed" not in told


async def test_a_called_run_is_cancelled_from_elsewhere(house: House) -> None:
    house.pace.hold("code")
    async with called(house) as graph, house.open() as service:
        calling = asyncio.create_task(graph.ainvoke(REQUEST, THREAD))
        await house.pace.reached("code")
        assert await service.cancel(RUN, ME)
        state = await calling
        assert state["outcome"].status == "cancelled"
        told = story(await log_of(service, RUN))
        assert told[-2:] == ["code:stopped", "finished:cancelled"]
        assert house.closed == [RUN]
        with pytest.raises(RunFinished, match="program"):
            await service.resume(RUN, ME, RaisedLimits())


async def test_what_a_program_stops_is_interrupted_and_goes_on(house: House) -> None:
    house.pace.hold("code")
    async with called(house) as graph:
        calling = asyncio.create_task(graph.ainvoke(REQUEST, THREAD))
        await house.pace.reached("code")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    house.pace.let_go("code")
    async with house.open() as service:
        assert (await service.get(RUN, ME)).status == "interrupted"
        async with called(house) as graph:
            state = await graph.ainvoke(None, THREAD)
        assert state["outcome"].status == "succeeded"
        told = story(await log_of(service, RUN))
    lost = told.index("code:stopped")
    assert told[lost : lost + 4] == ["code:stopped", "finished:interrupted", "resumed", "code2"]
    assert told.count("plan1") == 1


async def test_a_run_whose_program_died_is_ended_by_a_server(house: House) -> None:
    house.pace.hold("code")
    async with called(house) as graph:
        calling = asyncio.create_task(graph.ainvoke(REQUEST, THREAD))
        await house.pace.reached("code")
        store = SqliteStore(house.database)
        await store.open()
        await store.transact(RUN, _as_if_lost)
        async with house.open() as service:
            events = await log_of(service, RUN)
            assert story(events)[-2:] == ["code:stopped", "finished:interrupted"]
            assert "thread_id" in events[-1].data["error"]["hint"]
            await until(lambda: not service._dispatch.driven)
        await store.close()
        house.pace.let_go("code")
        assert (await calling)["outcome"].status == "succeeded"  # it lived: only its record is lost


async def test_a_called_run_is_removed_with_all_it_has(house: House) -> None:
    async with called(house) as graph:
        await graph.ainvoke(REQUEST, THREAD)
        await graph.ainvoke(REQUEST, {"configurable": {"thread_id": "stays"}})
    runs = house.folder / "runs"
    for name in (RUN, "stays"):
        (runs / name).mkdir()
    async with house.open(keep_days=2) as service:
        await service._janitor.round(time.time() + DAY_S)
        assert {path.name for path in runs.iterdir()} == {RUN, "stays"}
        await service.delete(RUN, ME)
        assert {path.name for path in runs.iterdir()} == {"stays"}
        with closing(sqlite3.connect(threads_file(runs))) as threads:
            left = threads.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchall()
            assert left == [("stays",)]
        await service._janitor.round(time.time() + 3 * DAY_S)
        assert not list(runs.iterdir())
        assert (await service.list(ME))[0] == []


async def test_a_thread_that_is_asked_again_is_the_same_run(house: House) -> None:
    async with called(house) as graph:
        await graph.ainvoke(REQUEST, THREAD)
        await graph.ainvoke({**REQUEST, "prompt": "Say hello again"}, THREAD)
    async with house.open(pick_up=False) as service:
        told = story(await log_of(service, RUN))
        record = await service.get(RUN, ME)
    assert told.count("finished:succeeded") == 2
    assert "resumed" in told
    assert (record.attempt, record.request["prompt"]) == (2, "Say hello again")


async def test_a_run_of_the_service_is_no_programs(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        async with called(house) as graph:
            await graph.ainvoke(REQUEST, {"configurable": {"thread_id": run_id}})
        assert f"run {run_id} is not recorded" in caplog.text
        assert (await service.get(run_id, ME)).attempt == 1


async def test_a_store_that_fails_keeps_no_graph_from_its_work(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    class DamagedStore(SqliteStore):
        async def get(self, run_id: str) -> Run | None:
            raise StoreDamaged(run_id)

    class ReadOnlyStore(SqliteStore):
        async def transact(
            self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
        ) -> Run | None:
            raise StoreError(run_id)

    for kind, said in ((DamagedStore, "is not recorded"), (ReadOnlyStore, "is not whole")):
        house.store = kind
        async with called(house) as graph:
            thread = {"configurable": {"thread_id": kind.__name__}}
            assert (await graph.ainvoke(REQUEST, thread))["outcome"].status == "succeeded"
        assert said in caplog.text


def _as_if_lost(run: Run) -> Step:
    return Step(run.replace(lease=Lease(service="lost", token="its", until=0.0)))


async def test_the_end_of_prepare_tells_what_a_reader_should_know(house: House) -> None:
    house.script.publish_notes = ("No workflow starts.",)
    async with house.open() as service:
        events = await log_of(service, await started(service))
    ends = [event.data for event in events if event.type == "node.finished"]
    assert ends[0]["node"] == "prepare"
    assert "No workflow starts." in ends[0]["notes"]
    assert not any("notes" in end for end in ends[1:])


async def test_a_call_that_is_cancelled_at_whichever_step_is_nobodys(house: House) -> None:
    """Its record says so at once: no lease is held for a program that went away."""
    ids, ending = list[str](), Outcome(status="no_changes", reason="nothing_to_do")

    async def close(_: str) -> None: ...

    async def work() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"outcome": ending}

    recorder = GraphRecorder(SqliteStore(house.database), config_of(house.folder), CleanUp(close))

    async def call() -> None:
        ids.append(f"Mine-{len(ids)}")
        var_child_runnable_config.set({"configurable": {"thread_id": ids[-1]}})
        await recorder("publish", {**REQUEST, **fresh_state()}, work)  # type: ignore[typeddict-item]

    async with recorder, house.open(pick_up=False) as service:
        async for _ in cut_at_each_step(call):
            run = await service._store.get(ids[-1])
            assert run
            assert run.lease is None
            assert run.status in ("interrupted", "no_changes")
