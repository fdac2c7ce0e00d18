"""Saving what is done in a tree: when it is quiet, and while something goes on for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graph.errors import (
    CodingAgentError,
    PatchTooLarge,
    RoleSuperseded,
    SandboxLost,
    StoreUnavailable,
)
from sandbox.backends.modal.autosaved_tree import AutosavedTree
from sandbox.core.protocol import Sandbox, Saved
from sandbox.tree.take_patch import take_change
from tests.support.sandbox.sample_run import SampleRun

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


class Kept(Saved):
    """Every change that was kept; refuses them once it is `stale`."""

    handed_over = False

    def __init__(self) -> None:
        self.patches: asyncio.Queue[bytes] = asyncio.Queue()
        self.stale = False
        self.held: asyncio.Event | None = None
        """Where there is one, the first save sets it and does not come to its end."""
        self.fault: CodingAgentError | None = None
        """Met by the next save, which sets `met`."""
        self.met = asyncio.Event()

    async def newest(self) -> tuple[bytes, float] | None:
        return None

    async def save(self, patch: bytes) -> None:
        if self.held and not self.held.is_set():
            self.held.set()
            await asyncio.Event().wait()
        fault, self.fault = self.fault, None
        if fault:
            self.met.set()
            raise fault
        self.patches.put_nowait(patch)
        if self.stale:
            raise RoleSuperseded("a newer call took over")

    def opened(self, sandbox: str, message: str = "") -> None:
        raise AssertionError(sandbox, message)

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.patches.get(), 20)


@asynccontextmanager
async def lasting(
    run: SampleRun, every_s: float, quiet_s: float
) -> AsyncIterator[tuple[AutosavedTree, Kept]]:
    async def never() -> tuple[Sandbox, str]:
        raise SandboxLost("it is not there")

    kept = Kept()
    tree = AutosavedTree(
        await run.open(), never, base=run.base, saved=kept, every_s=every_s, quiet_s=quiet_s
    )
    yield tree, kept
    await tree.close()


async def test_what_was_done_is_saved_once_when_it_is_quiet(run: SampleRun) -> None:
    async with lasting(run, 60, 0.2) as (tree, kept):
        await tree.write("work.txt", b"done\n")
        assert b"+done" in await kept.next()
        await tree.run("true")
        await asyncio.sleep(1)
        await tree.run("echo more >> work.txt")
        assert b"+more" in await kept.next()
        assert kept.patches.empty()


async def test_it_is_saved_while_a_command_goes_on(run: SampleRun) -> None:
    async with lasting(run, 0.5, 0.2) as (tree, kept):
        going_on = asyncio.create_task(tree.run("echo first > a; sleep 3; echo last >> a"))
        assert b"+first" in await kept.next()
        assert not going_on.done()
        await going_on
        assert b"+last" in await kept.next()


async def test_who_takes_the_change_is_not_disturbed_by_saving(run: SampleRun) -> None:
    async with lasting(run, 0.1, 0.1) as (tree, kept):
        await tree.run("echo first > a")
        for number in range(5):
            await tree.run(f"echo {number} > b")
            assert f"+{number}".encode() in (await take_change(tree, run.base)).patch
        assert b"+first" in await kept.next()


async def test_who_was_superseded_saves_no_more_and_works_on(run: SampleRun) -> None:
    async with lasting(run, 0.2, 0.2) as (tree, kept):
        kept.stale = True
        for number in range(3):
            assert (await tree.run(f"echo {number} >> a; sleep 0.5")).exit_code == 0
        assert kept.patches.qsize() == 1


async def test_closed_it_opens_nothing_again(run: SampleRun) -> None:
    async with lasting(run, 60, 60) as (tree, _):
        await tree.close()
        with pytest.raises(SandboxLost, match="closed"):
            await tree.run("true")


async def test_a_tree_that_is_lost_again_and_again_is_given_up(run: SampleRun) -> None:
    async def gone() -> tuple[Sandbox, str]:
        sandbox = await run.open()
        await sandbox.close()  # as one whose container is no more answers
        return sandbox, "Its tree was made again from the base."

    sandbox, _ = await gone()
    tree = AutosavedTree(sandbox, gone, base=run.base, saved=None)
    for _ in range(4):
        result = await tree.run("true")
        assert result.lost
        assert "made again from the base" in result.text
    with pytest.raises(SandboxLost, match="closed"):
        await tree.run("true")


@pytest.mark.parametrize("handed_over", [False, True])
async def test_what_was_handed_over_is_not_saved_once_more(
    run: SampleRun, *, handed_over: bool
) -> None:
    async with lasting(run, 60, 60) as (tree, kept):
        await tree.write("work.txt", b"done\n")
        kept.handed_over = handed_over
    assert kept.patches.empty() == handed_over


async def test_a_save_that_the_end_cuts_short_is_made_again(run: SampleRun) -> None:
    async with lasting(run, 60, 0.02) as (tree, kept):
        kept.held = asyncio.Event()
        await tree.write("work.txt", b"done\n")
        await asyncio.wait_for(kept.held.wait(), 20)
    assert b"+done" in await kept.next()


@pytest.mark.parametrize(
    "fault",
    [StoreUnavailable("It does not answer."), SandboxLost("It does not answer.")],
    ids=["store", "sandbox"],
)
async def test_what_cannot_be_saved_for_a_moment_is_saved_a_moment_later(
    run: SampleRun, fault: CodingAgentError
) -> None:
    async with lasting(run, 60, 0.02) as (tree, kept):
        kept.fault = fault
        await tree.write("work.txt", b"done\n")
        assert b"+done" in await kept.next()


async def test_what_is_too_large_is_tried_again_once_more_was_done(run: SampleRun) -> None:
    async with lasting(run, 60, 0.02) as (tree, kept):
        kept.fault = PatchTooLarge("It is too large.")
        await tree.write("work.txt", b"done\n")
        await asyncio.wait_for(kept.met.wait(), 20)
        await asyncio.sleep(1)
        assert kept.patches.empty()
        await tree.run("echo more >> work.txt")
        assert b"+more" in await kept.next()
