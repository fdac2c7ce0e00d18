"""Modal takes machines away in the middle of work, and runs the same input again elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.modal.deployment import Deployment
from tests.modal_plane.availability import need_containers
from tests.standins.claude import Silence
from tests.standins.messages_api.server import Answer, Exchange
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    Script,
    approve,
    done,
    plan,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.service_client import Run

ROLES = ("planner", "coder", "fixer", "reviewer")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    need_containers()
    async with Deployment.open() as deployment:
        yield deployment
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


async def begun(silence: Silence) -> None:
    await asyncio.wait_for(silence.begun.wait(), 60)


async def test_each_role_goes_on_in_its_transcript(deployment: Deployment) -> None:
    """No reply is asked for twice, but for the one that was never received."""
    repo, silent = await deployment.host(), {role: Silence() for role in ROLES}
    script: Script = {
        "planner": [silent["planner"], plan()],
        "coder": [shell(MORNING, BREAK), silent["coder"], done()],
        "fixer": [shell(MEND), silent["fixer"], done()],
        "reviewer": [silent["reviewer"], approve()],
    }
    async with deployment.client() as http:
        run = await deployment.start(http, "Greet without any role.", repo, script)
        for role, silence in silent.items():
            await begun(silence)
            await deployment.plane.preempt(role, hard=role != "fixer")
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        assert len(run.of("run.finished")) == 1


async def test_a_run_goes_on_from_its_checkpoint_while_a_role_still_writes(
    deployment: Deployment,
) -> None:
    """The role's old call sees that it is superseded; the new one begins after its last file.

    Before, the web function goes too: its readers go on elsewhere.
    """
    repo, coding, reviewing = await deployment.host(), Silence(), Silence()
    script = small_change(coder=[shell(MORNING), coding, done()], reviewer=[reviewing, approve()])
    async with deployment.client() as http:
        began = await deployment.start(http, "Greet without the run.", repo, script)
        await began.until("run.started")
        await deployment.plane.preempt("api")
        await began.leave()
        run = Run(http, began.run_id, began.prompt, list(began.events)).watch()
        await begun(coding)
        await deployment.plane.preempt("run", hard=True)
        await begun(reviewing)
        await deployment.plane.preempt("run")
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        assert coding.left.is_set()
        assert reviewing.left.is_set()
        assert [event["reason"] for event in run.of("run.resumed")] == ["picked_up"] * 2
        assert [event["status"] for event in run.of("run.finished")[:-1]] == ["interrupted"] * 2
        assert [node for node, _ in run.nodes].count("prepare") == 1


@dataclass(frozen=True)
class After:
    """An answer that comes once something has happened."""

    happen: Callable[[], Awaitable[object]]
    answer: Answer

    async def send(self, exchange: Exchange) -> None:
        await self.happen()
        await self.answer.send(exchange)


async def test_a_lost_sandbox_is_opened_again_and_the_role_is_told(deployment: Deployment) -> None:
    """Under a command; and after the last one, before its change is handed over."""

    async def lose() -> None:
        (name,) = [name for name in deployment.sandboxes() if name.endswith("-live")]
        await deployment.plane.lose_sandbox(name)

    repo, sleeping = await deployment.host(), "echo asleep; sleep 60"
    lines: list[Answer] = [shell(MORNING), shell(sleeping), shell(MORNING)]
    lines += [After(lose, done()), shell(MORNING), done()]
    async with deployment.client() as http:
        prompt = "Greet in spite of a loss."
        run = await deployment.start(http, prompt, repo, small_change(coder=lines))
        await run.until("tool.started", 2)
        await lose()
        await run.ended()
        await deployment.check(run)
        assert run.end["status"] == "succeeded"
        last = told(deployment.cast.asked(prompt, "coder")[4])
        assert "Its tree was made again" in last
        assert "answer once more" in last
        assert "lost" in run.of("tool.finished")[1]["output"]
