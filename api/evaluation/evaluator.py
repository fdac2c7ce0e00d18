"""Runs over tasks: each as `coding-agent run` makes it, some at once, within one pot of money."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

from api.client.runs_protocol import Runs
from api.evaluation.ledger import RETRIED, LedgerLine, Prediction
from api.evaluation.money_pot import MoneyPot
from api.evaluation.results import Results
from api.evaluation.run_meter import RunMeter
from api.evaluation.tasks import EvaluationTask
from graph import FINAL_STATUSES
from graph.errors import CodingAgentError
from runs.model import RaisedLimits

NAME: Final = "modal-coding-agent"


class TaskRepositories(Protocol):
    """Repositories that runs of tasks work on: each the base commit, with no history."""

    async def open(self, task: EvaluationTask) -> str:
        """Where the task's repository lies, always the same. Raises CodingAgentError."""
        ...

    async def close(self, task: EvaluationTask) -> None:
        """Remove it."""
        ...


class Progress(Protocol):
    """Hears what becomes of tasks."""

    def begun(self, task: EvaluationTask, run_id: str) -> None: ...

    def ended(self, line: LedgerLine) -> None: ...

    def left_out(self, task: EvaluationTask, why: str, *, spent: bool) -> None:
        """It was not run; `spent`: for want of money."""
        ...


@dataclass
class Evaluator:
    """One evaluation. `resumes`: a task's run of before is carried on where there is one."""

    runs: Runs
    repositories: TaskRepositories
    results: Results
    pot: MoneyPot
    progress: Progress
    model: str | None = None
    resumes: bool = False
    _live: set[str] = field(default_factory=set)
    _stopping: bool = False

    async def evaluate(self, tasks: Iterable[EvaluationTask], workers: int) -> None:
        """Run every task that has no line in the ledger, `workers` at once."""
        left = iter([task for task in tasks if task.instance_id not in self.results.lines])
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(left))

    async def stop(self) -> None:
        """Cancel the runs that are at work; no other begins."""
        self._stopping = True
        await asyncio.gather(*map(self.runs.cancel, self._live), return_exceptions=True)

    async def _work(self, left: Iterator[EvaluationTask]) -> None:
        for task in left:
            if self._stopping:
                return
            share = await self.pot.take()
            if share is None:
                self.progress.left_out(task, "the money is spent", spent=True)
                continue
            cost: float | None = 0.0
            try:
                line = await self._run(task, share)
                cost = line.cost_usd
            except CodingAgentError as error:
                self.progress.left_out(task, error.message, spent=False)
            finally:
                await self.pot.settle(share, cost)

    async def _run(self, task: EvaluationTask, share: float) -> LedgerLine:
        address = await self.repositories.open(task)
        run_id = await self._begin(task, address, share)
        self.progress.begun(task, run_id)
        meter = RunMeter()
        self._live.add(run_id)
        try:
            async with aclosing(self.runs.events(run_id)) as events:
                async for event in events:
                    meter.take(event)
        finally:
            self._live.discard(run_id)
        line = meter.line(task.instance_id, run_id)
        diff = await self.runs.diff(run_id) or b""
        prediction = Prediction(
            instance_id=task.instance_id,
            model_name_or_path=_name(line),
            model_patch=diff.decode("utf-8", "replace"),
        )
        await self.results.add(prediction, line)
        self.progress.ended(line)
        if line.status not in RETRIED:
            await self.repositories.close(task)
        return line

    async def _begin(self, task: EvaluationTask, address: str, share: float) -> str:
        """The id of a run of the task: a new one, or one from before that goes on or has ended."""
        if self.resumes:
            rows, _ = await self.runs.list(status=None, repo=address, limit=20)
            for row in rows:
                if row["repoUrl"] == address:
                    run_id: str = row["runId"]
                    if row["status"] in RETRIED or row["status"] not in FINAL_STATUSES:
                        await self.runs.resume(run_id, RaisedLimits())
                    return run_id
        request = task.request(address, model=self.model, max_cost_usd=share)
        return await self.runs.start(request)


def _name(line: LedgerLine) -> str:
    """Who made a prediction, as the harness names folders by it."""
    models = sorted({*line.models.values()})
    return "-".join((NAME, line.version, *models))
