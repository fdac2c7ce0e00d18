"""Opens what looks after one pull request: runs of this machine, driven by this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import get_args

from graph import PullAddress
from runs import RunService
from runs.deliveries import SqlDeliveries
from runs.model import Caller
from wiring.machine import Machine, open_service
from wiring.setting_groups.triggers import Autofix
from wiring.settings import Settings
from wiring.triggers import PullWatch, ThreadActs, TriggerRules, TriggerWorker

_MOST_RUNS = 100


@dataclass(frozen=True)
class Seen:
    """The pull request as it stands. `ended`: all checks of its head have; `busy`: a run works."""

    number: int
    open: bool
    merged: bool
    head: str
    checks: int
    failed: int
    passed: int
    ended: bool
    busy: bool

    @property
    def green(self) -> bool:
        return self.ended and self.passed == self.checks and not self.busy


@dataclass(frozen=True)
class OpenWatch:
    """A watch, and the runs that it starts."""

    watch: PullWatch
    runs: RunService
    repo_url: str

    async def look(self) -> Seen:
        """Look once, and act on what is new. Raises CodingAgentError."""
        busy = await self.at_work()  # what it pushes meanwhile is not in what is looked at
        pull = await self.watch.look()
        return Seen(
            number=pull.number,
            open=pull.open,
            merged=pull.merged,
            head=pull.head,
            checks=len(pull.checks),
            failed=len(pull.failed),
            passed=len(pull.passed),
            ended=pull.ended,
            busy=busy or await self.at_work(),
        )

    async def at_work(self) -> bool:
        """Whether a run of the repository has not ended."""
        caller = Caller("autofix", operator=True)
        listed, _ = await self.runs.list(caller, repo=self.repo_url, limit=_MOST_RUNS)
        return any(not run.final for run in listed)


@asynccontextmanager
async def open_watch(settings: Settings, address: str) -> AsyncIterator[OpenWatch]:
    """Look after the pull request at an address. Raises RequestError, StoreError.

    It goes on by itself with checks, conflicts and reviews, unless the settings name less.
    """
    machine, pull = Machine(settings), PullAddress.parse(address)
    repo = machine.configuration.full_name(pull.repo_url)
    rules = TriggerRules.of(settings)
    rules = rules if rules.autofix else replace(rules, autofix=get_args(Autofix))
    async with open_service(settings, machine=machine) as runs:
        store = machine.run_store.make()
        await store.open()
        try:
            deliveries = SqlDeliveries(store.writer, store.dialect)
            acts = ThreadActs(deliveries, machine.forge, runs, rules, machine.configuration.day)
            worker = TriggerWorker(deliveries, acts)
            watch = PullWatch(repo, pull.number, deliveries, machine.forge, worker)
            yield OpenWatch(watch, runs, pull.repo_url)
        finally:
            await store.close()
