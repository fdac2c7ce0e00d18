"""One run of one check: how it ended and which tests failed."""

import asyncio
import time

from graph import CommandReport, FolderCommand, ReportStatus, Value
from sandbox.checks.could_start import could_start
from sandbox.core.output import cut_middle
from sandbox.core.protocol import LimitHit, Sandbox
from sandbox.reports.excerpt import excerpt
from sandbox.reports.read_report import read_report

_KEPT_BYTES = 1024 * 1024
_SHOWN_FAILED, _SHOWN_PASSED = 6000, 500
_NOT_RUN = "Not run: what validation may use of the time of the run was spent."


class CheckRun(Value):
    """How a check ended.

    `started` is False where what it calls is not there; `ran` says whether it tells of a test that
    came to its end, `compared` whether those that failed are known by name, too. `counts` is what
    it says of how many passed and failed, as far as it came, `lacking` what it says of a module or
    a tool that is not installed. `too_late`: the deadline was there
    before it ended, or, without a `limit`, before it began. `complete` says whether it names all
    that fails: it went through all tests, and its output is not `cut`. `held_up`: its output is
    whole, and it left out tests that it leaves out again while the same ones fail. `idle`: it says
    that it ran no test. `masked` are tests that it reports as failed though it passes, as behind
    `|| true`.
    """

    command: str
    exit_code: int | None = None
    limit: LimitHit | None = None
    duration_ms: int = 0
    output: str = _NOT_RUN
    started: bool = True
    failed_tests: tuple[str, ...] = ()
    ran: bool = False
    compared: bool = False
    too_late: bool = False
    counts: str = ""
    lacking: str = ""
    complete: bool = True
    cut: bool = False
    held_up: bool = False
    idle: bool = False
    masked: tuple[str, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether there was time for it; one that was stopped has begun."""
        return bool(self.limit) or not self.too_late

    @property
    def passed(self) -> bool:
        return self.exit_code == 0

    @property
    def status(self) -> ReportStatus:
        if self.limit:
            return "stopped"
        if self.passed:
            return "passed"
        return "unavailable" if self.too_late or not self.started else "failed"

    def report(self, check: FolderCommand, status: ReportStatus | None = None) -> CommandReport:
        """What is told of it."""
        status = status or self.status
        return CommandReport(
            command=check.command,
            folder=check.folder,
            exit_code=None if status == "unavailable" else self.exit_code,
            status=status,
            duration_ms=self.duration_ms,
            output=self.output,
            counts=self.counts,
            limit=self.limit,
            lacking=self.lacking,
            loaded=self.ran or self.passed or not (self.lacking or self.counts),
        )


async def run_check(sandbox: Sandbox, check: FolderCommand, deadline: float) -> CheckRun:
    """Run a check until `deadline` (Unix seconds) at most. Raises SandboxLost."""
    not_run = CheckRun(command=check.shell, too_late=True)
    lost = True
    while lost:  # then once more, in the new tree
        if (left := deadline - time.time()) <= 0:
            return not_run
        result = await sandbox.run(
            check.shell, timeout_s=left, keep_bytes=_KEPT_BYTES, services="needed"
        )
        lost = result.lost
        if lost:
            said = f"{cut_middle(result.text, _SHOWN_PASSED)}\n{_NOT_RUN}"
            not_run = not_run.model_copy(update={"output": said})
    passed = result.exit_code == 0
    report = await asyncio.to_thread(read_report, result.text, check.command)
    shown = cut_middle(result.text, _SHOWN_PASSED)
    if not passed:
        shown = await asyncio.to_thread(excerpt, result.text, _SHOWN_FAILED)
    cut = bool(result.dropped) and not report.listed
    return CheckRun(
        command=check.shell,
        exit_code=result.exit_code,
        limit=result.limit,
        duration_ms=result.duration_ms,
        output=shown,
        counts=report.counts,
        started=passed or await could_start(sandbox, check, result.exit_code),
        failed_tests=() if passed else tuple(sorted(report.failed)),
        ran=report.ran,
        compared=report.ran and bool(report.failed) and not passed and not result.limit,
        lacking="" if passed else report.lacking,
        too_late=result.limit == "time" and time.time() >= deadline,
        complete=passed or not (report.cut_short or report.stops_at_first or cut),
        cut=cut,
        held_up=not passed and report.cut_short and not (report.stops_at_first or cut),
        idle=report.idle,
        masked=tuple(sorted(report.failed)) if passed and report.of_tests else (),
    )
