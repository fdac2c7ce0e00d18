"""A service that ends in the middle of a run: the next one goes on, in the same log."""

import asyncio
import signal

import pytest

from tests.standins.claude import Silence
from tests.support.polling import until
from tests.support.whole_runs.claude_script import (
    MORNING,
    Script,
    approve,
    done,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.server_process import ServerProcess, server_process
from tests.support.whole_runs.service_client import Run, Service
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
SLEEP = "sleep 97 & sleep 96"


async def check_gone_on(world: World, run: Run, repo: Hosted) -> None:
    """One run in one log: what was done is neither repeated nor paid again."""
    await world.check(run)
    assert run.end["status"] == "succeeded"
    assert [event["status"] for event in run.of("run.finished")] == ["interrupted", "succeeded"]
    assert run.one("run.resumed")["attempt"] == 2
    assert repo.branches == [repo.pull.head]
    assert "Good morning" in repo.diff(repo.pull.head)
    assert len(world.cast.asked(run.prompt, "planner")) == 1
    for name, counted in run.end["usage"].items():
        assert counted == sum(usage[name] for usage in run.of("usage"))


async def test_closed_while_claude_speaks() -> None:
    async with World.open() as world:
        repo, silence = await world.host(), Silence()
        script: Script = {"planner": [plan()], "coder": [shell(MORNING), silence]}
        async with world.serving():
            run = await world.start("Greet over a restart.", repo, script)
            await asyncio.wait_for(silence.begun.wait(), 60)
            await run.leave()
        assert Leftovers(world.data).processes(run.run_id) == []
        world.cast.add(run.prompt, {"coder": [done()], "reviewer": [approve()]})
        async with world.serving() as service:
            again = await service.find(run).watch().ended()
            await check_gone_on(world, again, repo)
            assert again.events[: len(run.events)] == run.events
            assert len(again.of("tool.started")) == 1


async def in_a_command(world: World, service: Service, repo: Hosted, prompt: str) -> Run:
    """A run whose coder is in a long command."""
    world.cast.learn(prompt, {"planner": [plan()], "coder": [shell(MORNING), shell(SLEEP)]})
    run = await service.start(prompt, repo.url)
    left = Leftovers(world.data)
    await until(lambda: any("sleep 97" in line for line in left.processes(run.run_id)))
    return run


async def ended_by(number: signal.Signals, world: World, server: ServerProcess, run: Run) -> int:
    """End the server's process; nothing that it started outlives it."""
    reading = asyncio.gather(run.ended(), return_exceptions=True)
    code = await server.end(number)
    await reading
    left = Leftovers(world.data, server.process.pid)
    await until(lambda: left.processes(run.run_id) == [])
    return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_process_ended_while_a_command_runs(number: signal.Signals) -> None:
    async with World.open() as world:
        repo = await world.host()
        async with server_process(world) as server, Service.at(server.address) as service:
            run = await in_a_command(world, service, repo, f"Greet in spite of {number.name}.")
            code = await ended_by(number, world, server, run)
            assert code == -number
        assert (run.cut_after == run.events[-1]["seq"]) == (number == signal.SIGTERM)
        more = {"coder": [shell("cat greet.py"), done()], "reviewer": [approve()]}
        world.cast.add(run.prompt, more)
        async with world.serving() as service:
            again = await service.find(run).watch().ended()
            await check_gone_on(world, again, repo)
        (_, _, asked, _) = world.cast.asked(run.prompt, "coder")
        told = str(asked["messages"][-1])
        assert "interrupted, may have run in part" in told
        assert "Changed there now" in told
        assert "greet.py" in told


async def test_closed_while_the_pull_request_is_opened() -> None:
    async with World.open() as world:
        repo = await world.host()
        async with world.serving():
            run = await world.start("Greet and be cut off.", repo, small_change())
            await run.until("node.started", node="code")
            held = world.forge.hold("POST", f"/api/v3/repos/{repo.repository.full_name}/pulls")
            await until(lambda: held.came)
            await run.leave()
        held.released = True
        await until(lambda: len(repo.pulls) == 1)
        async with world.serving() as service:
            await check_gone_on(world, await service.find(run).watch().ended(), repo)
        assert world.forge.calls("POST", f"{repo.repository.full_name}.git/git-receive-pack") == 1


async def test_closed_while_the_change_goes_over_to_a_newer_base() -> None:
    async with World.open() as world:
        repo = await world.host()
        script = small_change(reviewer=[approve(), approve()])
        async with world.serving():
            run = await world.start("Greet on moving ground.", repo, script)
            await run.until("node.started", node="code")
            first = repo.commit("one.txt", "1\n")
            held = world.forge.hold("POST", f"{repo.repository.full_name}.git/git-upload-pack")
            await until(lambda: held.came)
            await run.leave()
        held.released = True
        second = repo.commit("two.txt", "2\n")
        async with world.serving() as service:
            await check_gone_on(world, await service.find(run).watch().ended(), repo)
        parent = repo.git("rev-parse", f"{repo.pull.head}^").decode().strip()
        assert parent == second != first
        assert len(world.cast.asked(run.prompt, "reviewer")) == 2
