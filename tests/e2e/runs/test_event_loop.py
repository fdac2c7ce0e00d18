"""The event loop during whole runs: no call of ours blocks it, and no turn of it is long."""

import asyncio
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

pytestmark = pytest.mark.sandbox
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
                self.long.append(f"{took * 1000:.0f} ms: {callback!r}")

        return super().call_soon(measured, *args, context=context)


@contextmanager
def watched(loop: MeasuredLoop) -> Iterator[None]:
    """Calls of our code that block raise; turns of the loop are measured."""
    watch = blockbuster.BlockBuster(scanned_modules=OURS)
    watch.activate()
    loop.measures = True
    try:
        yield
    finally:
        loop.measures = False
        watch.deactivate()


async def run_twice(world: World, loop: MeasuredLoop) -> None:
    """What is loaded once a process is loaded by the first run."""
    for number in (1, 2):
        script = small_change(
            coder=[shell(MORNING, BREAK), done()],
            fixer=[shell(MEND), done(), shell("echo '# more' >> greet.py"), done()],
            reviewer=[object_to("The evening is not thought of."), approve()],
        )
        repo = await world.host()
        if number == 1:
            run = await world.run("Greet, to begin with.", repo, script)
        else:
            with watched(loop):
                run = await world.start("Greet while the loop is watched.", repo, script)
                await run.ended()
        assert run.end["status"] == "succeeded"
        assert len(run.nodes) == 11


def test_whole_runs() -> None:
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MeasuredLoop)
        async with World.with_service() as world:
            await run_twice(world, loop)
        assert loop.long == []

    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        runner.run(whole())
