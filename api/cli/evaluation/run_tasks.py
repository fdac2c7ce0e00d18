"""Runs over tasks, told a line each."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from api.cli.ctrl_c import interruptible
from api.cli.evaluation.order import EvaluationOrder
from api.client.local_runs import LocalRuns
from api.evaluation import (
    EvaluationTask,
    Evaluator,
    LedgerLine,
    MoneyPot,
    Results,
    read_tasks,
)
from api.exit_codes import CANCELLED, EXIT_CODES, FAILED
from api.terminal.display.print_lines import print_lines
from api.terminal.text.human_units import duration, money, plural
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line, Mark

if TYPE_CHECKING:
    from wiring import Settings

_OUT_OF_MONEY: Final = EXIT_CODES["budget_exhausted"]


async def evaluate_tasks(settings: "Settings", order: EvaluationOrder) -> int:
    """Run the tasks; the exit code."""
    from wiring import LocalTaskRepositories, Machine, open_service, start_log

    tasks = await asyncio.to_thread(read_tasks, order.tasks, order.part)
    opened = Results.carry_on if order.resume else Results.begin
    results = await asyncio.to_thread(opened, order.out)
    start_log(settings, "warning")
    slots = {"max_concurrent_runs": max(order.workers, settings.max_concurrent_runs)}
    machine = Machine(settings.model_copy(update=slots), setup_turns=False)
    progress = TaskLines()
    async with open_service(machine.settings, machine=machine) as service:
        evaluator = Evaluator(
            runs=LocalRuns(service),
            repositories=LocalTaskRepositories(machine),
            results=results,
            pot=MoneyPot(
                limit_usd=order.max_cost,
                per_run_usd=settings.max_cost_usd,
                spent_usd=results.spent_usd,
            ),
            progress=progress,
            model=order.model,
            resumes=order.resume,
        )
        stopping = Stopping(evaluator.stop, progress.say_stopping)
        with interruptible(lambda: None, stopping.begin):
            await evaluator.evaluate(tasks, order.workers)
        await stopping.wait()
    return _end(results, progress, stopped=stopping.begun)


class Stopping:
    """The end that was asked for by Ctrl-C."""

    def __init__(self, stop: Callable[[], Awaitable[None]], say: Callable[[], None]) -> None:
        self._stop = stop
        self._say = say
        self._task: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        return self._task is not None

    def begin(self) -> None:
        self._say()
        self._task = asyncio.ensure_future(self._stop())

    async def wait(self) -> None:
        if self._task:
            await self._task


class TaskLines:
    """A line for each task that ends, and for each that is left out."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.exit_code = 0

    def begun(self, task: EvaluationTask, run_id: str) -> None:
        text = f"{task.instance_id}  run {run_id}"
        print_lines([Line(clean_line(text), mark="open", tone="dim", wrap=False)])

    def ended(self, line: LedgerLine) -> None:
        mark: Mark = "good" if line.claimed else "bad" if line.status == "failed" else "warn"
        why = line.error or line.reason
        said = f"{line.instance_id}  {line.status}{f' ({why})' if why else ''}"
        took = f"{money(line.cost_usd)}  {duration(line.seconds)}"
        print_lines([Line(clean_line(said), mark=mark, right=took, wrap=False)])

    def left_out(self, task: EvaluationTask, why: str, *, spent: bool) -> None:
        self.exit_code = self.exit_code or (_OUT_OF_MONEY if spent else FAILED)
        print_lines([Line(clean_line(f"{task.instance_id}  not run: {why}"), mark="bad")])

    def say_stopping(self) -> None:
        print_lines([Line("Cancelling the runs. Ctrl-C again leaves at once.", mark="warn")])

    def sum_up(self, results: Results) -> None:
        claimed = sum(line.claimed for line in results.lines.values())
        done = f"{plural(len(results.lines), 'task')}, {claimed} claimed to be done"
        took = f"{money(results.spent_usd)}  {duration(time.monotonic() - self._begun)}"
        files = f"Predictions: {results.predictions}\nLedger: {results.ledger}"
        print_lines(
            [
                Line(done, tone="strong", right=took),
                *(Line(clean_line(text), indent=2) for text in files.splitlines()),
            ]
        )


def _end(results: Results, progress: TaskLines, *, stopped: bool) -> int:
    progress.sum_up(results)
    if stopped:
        return CANCELLED
    if any(line.status == "failed" for line in results.lines.values()):
        return FAILED
    return progress.exit_code
