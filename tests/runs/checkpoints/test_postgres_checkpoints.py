"""Checkpoints in a real PostgreSQL database."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint

from graph.errors import StoreUnavailable, VersionChanged
from graph.values import Outcome, Plan
from runs.checkpoints import LogBarrier, PostgresCheckpoints
from runs.postgres import ConnectionOptions, PostgresStore
from tests.standins.postgres_server import PostgresServer, stopped
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


class Stranger(Plan):
    """A type that no checkpoint may bring to life."""


async def new_options(postgres: PostgresServer, **waits: float) -> ConnectionOptions:
    """The way to a database that a store has made its schema in."""
    options = ConnectionOptions(postgres.new_database(), **waits)
    store = PostgresStore(options, listens=False)
    await store.open()
    await store.close()
    return options


@pytest.fixture
async def checkpoints(postgres: PostgresServer) -> AsyncIterator[PostgresCheckpoints]:
    made = PostgresCheckpoints(await new_options(postgres))
    yield made
    await made.close()


def checkpoint_of(checkpoint_id: str, **values: Any) -> Checkpoint:
    versions = dict.fromkeys(values, "1")
    return empty_checkpoint() | {  # type: ignore[return-value]
        "id": checkpoint_id,
        "channel_values": values,
        "channel_versions": versions,
    }


async def written(checkpoints: PostgresCheckpoints, value: Any) -> Any:
    async with checkpoints.open("t", LogBarrier()) as saver:
        await saver.aput(CONFIG, checkpoint_of("1", a=value), {"step": 1}, {"a": "1"})
    async with checkpoints.open("t", LogBarrier()) as saver:
        found = await saver.aget_tuple(CONFIG)
        assert found
        await checkpoints.remove("t")
        assert await saver.aget_tuple(CONFIG) is None
        return found.checkpoint["channel_values"]["a"]


async def test_values_of_the_vocabulary_come_back_and_no_others(
    checkpoints: PostgresCheckpoints,
) -> None:
    for value in (Plan(summary="s", steps=("a",)), Outcome(status="failed"), {"a": [1, None]}):
        assert await written(checkpoints, value) == value
    with pytest.raises(VersionChanged, match="Stranger"):
        await written(checkpoints, Stranger(summary="s"))


async def test_text_that_postgresql_does_not_keep(checkpoints: PostgresCheckpoints) -> None:
    replaced = "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert await written(checkpoints, "a\0b\ud800") == replaced
    assert await written(checkpoints, {"\\u0000": "\\u0000"}) == {"\\u0000": "\\u0000"}


async def test_the_newest_is_the_last_step_whatever_the_clock_says(
    checkpoints: PostgresCheckpoints,
) -> None:
    async with checkpoints.open("t", LogBarrier()) as saver:
        for step, checkpoint_id in enumerate(("7", "8", "3")):
            await saver.aput(CONFIG, checkpoint_of(checkpoint_id), {"step": step}, {})
        found = await saver.aget_tuple(CONFIG)
        assert found
        assert found.checkpoint["id"] == "3"


async def test_a_command_is_forgotten_and_half_a_result_is_none(
    checkpoints: PostgresCheckpoints,
) -> None:
    async with checkpoints.open("t", LogBarrier()) as saver:
        config = await saver.aput(CONFIG, checkpoint_of("1"), {"step": 1}, {})
        await saver.aput_writes(config, [("plan", 1)], "00000000-0000-0000-0000-000000000000")
        await saver.aput_writes(config, [("plan", 1), ("__error__", RuntimeError("no"))], "one")
        await saver.aput_writes(config, [("plan", 1)], "two")
        await saver.discard_command(config)
        assert await saver.ended_tasks(config) == {"two"}


async def test_several_processes_make_the_tables_at_once(postgres: PostgresServer) -> None:
    options = await new_options(postgres)
    several = [PostgresCheckpoints(options) for _ in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(each.remove("t") for each in several))
    for each in several:
        await each.close()


async def test_a_database_that_goes_away_is_waited_for(
    checkpoints: PostgresCheckpoints, postgres: PostgresServer
) -> None:
    async with checkpoints.open("t", LogBarrier()) as saver:
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        put = asyncio.create_task(saver.aput(CONFIG, checkpoint_of("1"), {"step": 1}, {}))
        await asyncio.sleep(2.0)
        assert not put.done()
        await asyncio.to_thread(postgres.start)
        await put
        assert await saver.aget_tuple(CONFIG)


async def test_a_server_that_hangs_is_given_up_and_a_checkpoint_written_to_it_later(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = PostgresCheckpoints(await new_options(postgres, answer_s=1.0))
    async with checkpoints.open("t", LogBarrier()) as saver:
        await saver.aput(CONFIG, checkpoint_of("1"), {"step": 1}, {})
        with stopped(*postgres.processes):
            put = asyncio.create_task(saver.aput(CONFIG, checkpoint_of("2"), {"step": 2}, {}))
            with pytest.raises(StoreUnavailable):
                await checkpoints.remove("t")
            await until(lambda: "the checkpoints waits for the store" in caplog.text, within_s=60)
            assert not put.done()
        await put
        found = await saver.aget_tuple(CONFIG)
        assert found
        assert found.checkpoint["id"] == "2"
    await checkpoints.close()


async def test_what_a_checkpoint_speaks_of_lasts_before_it_is_written(
    postgres: PostgresServer,
) -> None:
    """While that cannot be made to last, nothing is written."""
    may_last, tries = asyncio.Event(), 0

    async def make_last(run_id: str) -> None:
        nonlocal tries
        assert run_id == "t"
        tries += 1
        if not may_last.is_set():
            raise StoreUnavailable("The files cannot be committed.")

    checkpoints = PostgresCheckpoints(await new_options(postgres), make_last=make_last)
    async with checkpoints.open("t", LogBarrier()) as saver:
        put = asyncio.create_task(saver.aput(CONFIG, checkpoint_of("1"), {"step": 1}, {}))
        await until(lambda: tries > 1)
        assert await saver.aget_tuple(CONFIG) is None
        may_last.set()
        config = await put
        made = tries
        await saver.aput_writes(config, [("plan", 1)], "one")
        assert tries == made + 1
        assert await saver.ended_tasks(config) == {"one"}
    await checkpoints.close()
