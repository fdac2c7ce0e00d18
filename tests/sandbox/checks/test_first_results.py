"""What a check came to first is told, whatever comes of a later try."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from graph.environment import NO_ENVIRONMENT
from graph.values import Check, Validation
from sandbox.checks.base_results import BaseResults
from sandbox.checks.judge import BaseOutcome, Outcome, baseline_of, on_base_of, validation_of
from sandbox.checks.new_failures import compare_with_base
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import ExecResult, Sandbox, TreeSpec
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run
from tests.support.sandbox.watched_sandboxes import WatchedSandboxes

pytestmark = pytest.mark.sandbox

MAIN = Check(command="bash run.sh", source="repository", main=True)
LINT = Check(command="true", source="repository", kind="lint")
LATE = CheckRun(command=MAIN.shell, limit="time", too_late=True, output="1 of 9\n")
FAILED = CheckRun(command=MAIN.shell, exit_code=1, output="")
NAMED = "echo 'FAILED test_a.py::test_a'; exit 1\n"


class OnceOpen(WatchedSandboxes):
    """Sandboxes that are lost once a first command has ended in them."""

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        sandbox = await super().open(run_id, spec)
        return cast("Sandbox", _Once(sandbox))


class _Once:
    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner

    async def run(self, command: str, **options: Any) -> ExecResult:
        result = await self._inner.run(command, **options)
        await self._inner.close()
        return result


class _Lost:
    """A sandbox that is lost under each command, at its time."""

    async def run(self, command: str, *, timeout_s: float, **options: Any) -> ExecResult:
        await asyncio.sleep(timeout_s)
        return ExecResult(None, b"The tree was made again.", 0, 1, lost=True)


@asynccontextmanager
async def base_results(run: SampleRun) -> AsyncIterator[BaseResults]:
    """Those of a base whose tree is open already."""
    spec = TreeSpec("base", run.base, environment=NO_ENVIRONMENT)
    on_base = BaseResults(run.runs, run.sandboxes, RUN, spec)
    try:
        await on_base.run(LINT, time.time() + 60)
        yield on_base
    finally:
        await on_base.discard()


@pytest.mark.slow
async def test_a_check_that_is_stopped_as_the_time_ends_is_told_with_what_it_said(
    data_dir: Path,
) -> None:
    run = sample_run(data_dir, {"run.sh": "echo begun; exec sleep 999\n"})
    async with base_results(run) as on_base:
        outcome = await on_base_of(MAIN, on_base, time.time() + 3)
        assert await on_base.load(MAIN) is None  # more time may bring more
        assert await on_base.find(MAIN, time.time()) is None  # there was none to begin it
    (report,) = baseline_of([outcome]).commands
    assert (report.status, report.limit, report.output) == ("stopped", "time", "begun\n")
    assert report.duration_ms > 0


async def baseline(run: SampleRun, *checks: Check) -> Validation:
    service = SandboxChecks(runs=run.runs, sandboxes=OnceOpen(run.sandboxes))
    return await service.baseline(RUN, run.base, NO_ENVIRONMENT, checks, time.time() + 60)


@pytest.mark.parametrize("checks", [(MAIN,), (MAIN, LINT)])
async def test_a_failure_that_cannot_be_tried_again_is_told(
    data_dir: Path, checks: tuple[Check, ...]
) -> None:
    found = await baseline(sample_run(data_dir, {"run.sh": NAMED}), *checks)
    (report,) = found.commands
    assert (found.status, report.status, report.exit_code) == ("failed", "failed", 1)
    assert "test_a" in report.output
    assert found.flaky == ()


def test_a_base_that_was_stopped_late_is_no_blank() -> None:
    told = baseline_of([BaseOutcome(MAIN, LATE)])
    assert [(each.status, each.output) for each in told.commands] == [("stopped", "1 of 9\n")]


def test_a_main_check_of_which_the_base_knows_nothing_has_not_passed() -> None:
    failures = compare_with_base(FAILED, LATE)
    main = Outcome(MAIN, FAILED.report(MAIN), FAILED, failures)
    passed = CheckRun(command=LINT.shell, exit_code=0)
    lint = Outcome(LINT, passed.report(LINT), passed, conclusive=True)
    told = validation_of([main, lint])
    assert (told.status, told.new_failures) == ("unavailable", ())
    assert [finding.rule for finding in told.findings] == ["base_stopped"]


async def test_a_sandbox_that_is_lost_until_the_end_of_the_time_is_told() -> None:
    run = await run_check(cast("Sandbox", _Lost()), MAIN, time.time() + 0.2)
    assert (run.status, run.begun) == ("unavailable", False)
    assert run.output.startswith("The tree was made again.\nNot run:")
