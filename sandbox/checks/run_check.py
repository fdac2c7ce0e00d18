"""One run of one check: how it ended and which tests failed."""

import asyncio

from graph import FolderCommand, Value
from sandbox.checks.could_start import could_start
from sandbox.core.output import cut_middle
from sandbox.core.protocol import LimitHit, Sandbox
from sandbox.reports.read_report import read_report

_KEPT_BYTES = 1024 * 1024
_SHOWN_FAILED, _SHOWN_PASSED = 4000, 500


class CheckRun(Value):
    """How a check ended.

    `started` is False where what it calls is not there; `ran` says whether it tells of a test that
    came to its end, `compared` whether those that failed are known by name, too.
    """

    command: str
    exit_code: int | None
    limit: LimitHit | None
    duration_ms: int
    output: str
    started: bool = True
    failed_tests: tuple[str, ...] = ()
    ran: bool = False
    compared: bool = False

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


async def run_check(sandbox: Sandbox, check: FolderCommand, timeout_s: float) -> CheckRun:
    """Run a check for at most `timeout_s` seconds. Raises SandboxLost."""
    result = await sandbox.run(check.shell, timeout_s=timeout_s, keep_bytes=_KEPT_BYTES)
    while result.lost:  # in the new tree
        result = await sandbox.run(check.shell, timeout_s=timeout_s, keep_bytes=_KEPT_BYTES)
    run = CheckRun(
        command=check.shell,
        exit_code=result.exit_code,
        limit=result.limit,
        duration_ms=result.duration_ms,
        output=cut_middle(result.text, _SHOWN_PASSED if result.exit_code == 0 else _SHOWN_FAILED),
    )
    report = await asyncio.to_thread(read_report, result.text)
    if run.passed:
        return run.model_copy(update={"ran": report.ran})
    return run.model_copy(
        update={
            "started": await could_start(sandbox, check, result.exit_code),
            "failed_tests": tuple(sorted(report.failed)),
            "ran": report.ran,
            "compared": report.ran and bool(report.failed) and not result.limit,
        }
    )
