"""Grades of changes by a task's hidden tests, in this machine's sandbox."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from api.evaluation import EvaluationTask, Grade
from forge.base import ChangeLayers
from graph import Base, Check, Environment, PreparationRequest, RunFolder, Validation, unheard
from graph.errors import PatchUnusable
from graph.files import store_change
from runs.driving import LocalRunFiles
from runs.model import RunIds
from sandbox.checks import KeptResults, SandboxChecks
from wiring.machine import Machine
from wiring.task_repositories import LocalTaskRepositories


@dataclass(frozen=True)
class TaskTrial:
    """A task's base, made ready as for a run of it."""

    machine: Machine
    run_id: str
    base: Base
    checks: tuple[Check, ...]
    environment: Environment
    deadline: float
    judge: SandboxChecks
    _steps: Iterator[int] = field(default_factory=lambda: count(1))

    async def validate(self, change: str, tests: str) -> Validation:
        """Run the checks on the change, with the hidden tests in place of what it makes of them.

        Raises PatchUnusable, SandboxError.
        """
        services = self.machine.services
        layers = ChangeLayers(runs=self.machine.runs, forge=self.machine.forge)
        patch = await layers.lay_over(self.run_id, self.base, change.encode(), tests.encode())
        run, step = RunFolder.of(self.machine.runs, self.run_id), next(self._steps)
        ref = await asyncio.to_thread(store_change, run, step, "coder", patch)
        await services.repositories.read_change(self.run_id, self.base, ref)
        return await self.judge.validate(
            self.run_id, self.base, ref, self.checks, self.environment, self.deadline
        )


class TaskGrader:
    """Tries changes on tasks."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._repositories = LocalTaskRepositories(machine)
        kept = KeptResults(machine.baselines, timeout_s=machine.settings.command_timeout_s)
        self._judge = SandboxChecks(
            runs=machine.runs, sandboxes=machine.sandboxes, kept=kept, most_names=sys.maxsize
        )
        """Names all that fails: no run's record has to hold it."""

    async def grade(self, task: EvaluationTask, patch: str) -> Grade:
        """By the hidden tests beside the repository's own checks. Raises CodingAgentError.

        A test that the task names must pass, also where it fails on the base.
        """
        if not patch.strip():
            return "empty_patch"
        async with self.open(task) as trial:
            try:
                validation = await trial.validate(patch, task.test_patch)
            except PatchUnusable:
                return "error"
        still = {*task.fail_to_pass}.intersection(validation.known_failures)
        return "resolved" if validation.status == "passed" and not still else "unresolved"

    @asynccontextmanager
    async def open(self, task: EvaluationTask) -> AsyncIterator[TaskTrial]:
        """Make the base ready; nothing of it stays."""
        machine, services = self._machine, self._machine.services
        run_id, deadline = RunIds().new(), time.time() + machine.settings.run_timeout_s
        address = await self._repositories.open(task)
        try:
            await services.workspaces.open(run_id)
            base = await services.repositories.prepare(run_id, address, None, unheard)
            found = await services.checks.find(run_id, base, (), only=False)
            wanted = PreparationRequest(run_id, base, (), found.checks, deadline)
            environment = await services.preparation.environment(wanted)
            judge = self._judge
            yield TaskTrial(machine, run_id, base, found.checks, environment, deadline, judge)
        finally:
            await services.close_run(run_id)
            await LocalRunFiles(machine.runs).remove(run_id)
            await self._repositories.close(task)
