"""One machine, or several, taken away at a named moment: a row each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
import pytest_asyncio

from tests.modal.deployment import Deployment
from tests.modal.preemptions.checks import HOSTS, LONG_S, check_run, happened
from tests.modal_plane.availability import need_containers
from tests.support.polling import until
from tests.support.whole_runs.hosted_repository import GREETER
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.steady_claude import ERRING, NEEDY, SteadyClaude

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass(frozen=True)
class Bench:
    """The service on the plane, and its Claude."""

    deployment: Deployment
    claude: SteadyClaude

    async def take(self, *functions: str, hard: bool) -> None:
        """Take the machines of these functions away, all at once; those that have one."""

        async def take(function: str) -> None:
            with suppress(KeyError):
                await self.deployment.plane.preempt(function, hard=hard)

        await asyncio.gather(*map(take, functions))


Moment = Callable[[Bench, Run], Awaitable[None]]


def event(kind: str, count: int = 1, **fields: object) -> Moment:
    """When the `count`-th event of this kind is told."""

    async def happens(_: Bench, run: Run) -> None:
        await happened(run, kind, count, **fields)

    return happens


def asked(role: str, turn: int = 0, count: int = 1) -> Moment:
    """When Claude is asked, for the `count`-th time, what the role's next turn is."""

    async def happens(bench: Bench, run: Run) -> None:
        def times() -> int:
            begun = bench.claude.begun
            return sum(
                (each.prompt, each.role, each.turn) == (run.prompt, role, turn) for each in begun
            )

        await until(lambda: times() >= count, within_s=LONG_S)

    return happens


def forge(method: str, path_end: str, *, after_push: bool = False) -> Moment:
    """When the forge was asked, and has not answered; it does soon."""

    async def happens(bench: Bench, run: Run) -> None:
        held = bench.deployment.forge.hold(method, path_end, after_push=after_push)

        def release() -> None:
            held.released = True

        try:
            await until(lambda: held.came, within_s=LONG_S)
        finally:
            asyncio.get_running_loop().call_later(0.5, release)

    return happens


@dataclass(frozen=True)
class Loss:
    """Machines that go at one moment, without a warning where `hard`."""

    moment: Moment
    functions: tuple[str, ...]
    hard: bool = True


def lose(moment: Moment, *functions: str, hard: bool = True) -> Loss:
    return Loss(moment, functions, hard)


ROWS: Final[dict[str, tuple[Loss, ...]]] = {
    "the web, as the run starts": (lose(event("run.queued"), "api"),),
    "the run, as it clones": (lose(forge("POST", "/git-upload-pack"), "run"),),
    "the run, as the planner begins": (lose(event("node.started", node="plan"), "run"),),
    "the planner, as it is asked, four times": tuple(
        lose(asked("planner", count=n), "planner") for n in range(1, 5)
    ),
    "the coder, in a command": (lose(event("tool.started"), "coder"),),
    "the coder, warned in a command": (lose(event("tool.started"), "coder", hard=False),),
    "the coder, after a command": (lose(event("tool.finished", 2), "coder"),),
    "the coder, in its last answer": (lose(asked("coder", 3), "coder"),),
    "the coder, in each answer": tuple(lose(asked("coder", turn), "coder") for turn in range(4)),
    "the run, in a command of the coder": (lose(event("tool.started"), "run"),),
    "the run, as the coder's change is told": (lose(event("change.updated"), "run"),),
    "the run and the coder at once": (lose(event("tool.finished"), "run", "coder"),),
    "the run, and again as it goes on": (
        lose(event("tool.finished"), "run"),
        lose(event("run.resumed"), "run"),
    ),
    "the run, warned, as checks begin": (
        lose(event("node.started", node="validate"), "run", hard=False),
    ),
    "the fixer, as it is asked": (lose(asked("fixer"), "fixer"),),
    "the fixer, in a command": (lose(event("tool.started", role="fixer"), "fixer"),),
    "the run, in a command of the fixer": (lose(event("tool.started", role="fixer"), "run"),),
    "the set-up turn, as it is asked": (lose(asked("setup"), "setup"),),
    "the set-up turn, in a command": (lose(event("tool.started", role="setup"), "setup"),),
    "the set-up turn, warned in a command": (
        lose(event("tool.started", role="setup"), "setup", hard=False),
    ),
    "the run, in a command of the set-up turn": (lose(event("tool.started", role="setup"), "run"),),
    "the reviewer, as it is asked": (lose(asked("reviewer"), "reviewer"),),
    "the run, as the reviewer is asked": (lose(asked("reviewer"), "run"),),
    "the run, as it pushes": (lose(forge("POST", "/git-receive-pack"), "run"),),
    "the run, as it opens the pull request": (
        lose(forge("POST", "/pulls", after_push=True), "run"),
    ),
    "the run, once the pull request is open": (lose(event("pr.created"), "run"),),
    "all of them": (lose(event("tool.finished"), "api", "run", "coder"),),
}


@asynccontextmanager
async def bench_with(**more: str) -> AsyncIterator[Bench]:
    """The service, with more settings."""
    need_containers()
    claude = SteadyClaude()
    async with Deployment.open(reply=claude, env={**HOSTS, **more}) as deployment:
        yield Bench(deployment, claude)
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


async def lose_machines(bench: Bench, row: str) -> None:
    """One run, in which machines go at the moments of a row; it ends as it would have."""
    losses = ROWS[row]
    prompt = f"Greet without {row}{', ' + ERRING if 'fixer' in row else ''}."
    repo = await bench.deployment.host(NEEDY if "set-up" in row else GREETER)
    bench.claude.needy = prompt if "set-up" in row else ""
    async with bench.deployment.client() as http:
        run = await bench.deployment.start(http, prompt, repo, {})
        for loss in losses:
            await loss.moment(bench, run)
            await bench.take(*loss.functions, hard=loss.hard)
            if "api" in loss.functions:
                await run.leave()
                run = Run(http, run.run_id, run.prompt, list(run.events)).watch()
        with suppress(httpx.HTTPError):
            await run.ended()
        lost = sum(len(loss.functions) for loss in losses)
        await check_run(bench.deployment, run, repo, bench.claude, lost=lost)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench() -> AsyncIterator[Bench]:
    async with bench_with() as opened:
        yield opened


@pytest.mark.parametrize("row", ROWS)
async def test_machines_go(bench: Bench, row: str) -> None:
    await lose_machines(bench, row)
