"""The event loop during whole runs: no call of ours blocks it, and no turn of it is long."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Final, TypeVarTuple, Unpack

import blockbuster
import pytest

import api
import forge
import graph
import roles
import runs
import sandbox
import wiring
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    approve,
    done,
    object_to,
    shell,
    small_change,
)
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
OURS: Final = [graph, roles, sandbox, forge, runs, api, wiring]
LONGEST_S: Final = 0.05
Given = TypeVarTuple("Given")


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Keeps which callbacks took the processor longer than `LONGEST_S`; waiting is none."""

    def __init__(self) -> None:
        super().__init__()
        self.measures = False
        self.long: list[str] = []

    def call_soon(
        self,
        callback: Callable[[Unpack[Given]], object],
        *args: *Given,
        context: Context | None = None,
    ) -> asyncio.Handle:
        def measured(*args: *Given) -> None:
            began = time.thread_time()
            callback(*args)
            took = time.thread_time() - began
            if self.measures and took > LONGEST_S:
                whose = getattr(callback, "__self__", callback)
                self.long.append(f"{took * 1000:.0f} ms: {whose!r}")

        return super().call_soon(measured, *args, context=context)


@contextmanager
def watched(loop: MeasuredLoop) -> Iterator[None]:
    """Calls of our code that block raise; turns of the loop are measured."""
    watch = blockbuster.BlockBuster(scanned_modules=OURS)
    watch.activate()
    gc.disable()  # what the tests' own process holds would be looked through in some turn
    loop.measures = True
    try:
        yield
    finally:
        loop.measures = False
        gc.enable()
        watch.deactivate()


LARGE: Final = "seq 3500000 > large.txt"
"""27 MB of one change."""


async def run_watched(world: World, loop: MeasuredLoop) -> None:
    """What is loaded once a process is loaded by the first run."""
    fixes = small_change(
        coder=[shell(MORNING, BREAK), done()],
        fixer=[shell(MEND), done(), shell("echo '# more' >> greet.py"), done()],
        reviewer=[object_to("The evening is not thought of."), approve()],
    )
    await world.run("Greet, to begin with.", await world.host(), small_change())
    repo = await world.host()
    with watched(loop):
        run = await world.start("Greet while the loop is watched.", repo, fixes)
        await run.ended()
        large = small_change(coder=[shell(MORNING, LARGE), done()])
        long = await world.start("Greet at length.", await world.host(), large)
        await long.ended()
    assert (run.end["status"], len(run.nodes)) == ("succeeded", 11)
    assert long.end["status"] == "succeeded", long.end


def test_whole_runs() -> None:
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MeasuredLoop)
        async with World.with_service() as world:
            await run_watched(world, loop)
        assert loop.long == []

    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        runner.run(whole())
