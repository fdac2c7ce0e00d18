"""Checks on the untouched base: each is run there once, and its result kept with the run."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from graph import (
    Check,
    CheckStatus,
    CommandReport,
    FolderCommand,
    ReportStatus,
    RunFolder,
    Validation,
)
from graph.errors import SetupFailed
from graph.files import write_whole
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec

_MOST_NAMES = 50


def baseline_of(runs: Sequence[tuple[Check, CheckRun | None]]) -> Validation:
    """What the runs on the untouched base say; what fails there is known, and nothing is new."""
    reports = tuple(_report(check, run) for check, run in runs if run)
    known = [name for _, run in runs if run and not run.passed for name in run.failed_tests]
    ended = {report.status for report in reports}
    status: CheckStatus = "passed" if ended == {"passed"} else "failed"
    return Validation(
        status=status if ended & {"passed", "failed"} else "unavailable",
        commands=reports,
        known_failures=tuple(dict.fromkeys(known))[:_MOST_NAMES],
    )


def _report(check: Check, run: CheckRun) -> CommandReport:
    status: ReportStatus = "passed" if run.passed else "failed" if run.started else "unavailable"
    return run.report(check, "stopped" if run.limit == "time" else status)


class BaseResults:
    """Runs checks in the tree `spec`, which is opened for the first that was not run before."""

    def __init__(self, runs: Path, sandboxes: Sandboxes, run_id: str, spec: TreeSpec) -> None:
        self._folder = RunFolder.of(runs, run_id).checks
        self._sandboxes = sandboxes
        self._run_id = run_id
        self._spec = spec
        self._sandbox: Sandbox | None = None
        self._usable = True

    async def find(self, check: FolderCommand, deadline: float) -> CheckRun | None:
        """How the check ends on the base; None where that cannot be known in time."""
        if kept := self._load(check):
            return kept
        sandbox = await self._open()
        run = await run_check(sandbox, check, deadline) if sandbox else None
        if run is None or run.too_late:
            return None
        await asyncio.to_thread(self._store, check, run)
        return run

    async def discard(self) -> None:
        await self._sandboxes.discard(self._run_id, self._spec.name)

    async def _open(self) -> Sandbox | None:
        """None where the base's own set-up fails."""
        if self._sandbox is None and self._usable:
            try:
                self._sandbox = await self._sandboxes.open(self._run_id, self._spec)
            except SetupFailed:
                self._usable = False
        return self._sandbox

    def _load(self, check: FolderCommand) -> CheckRun | None:
        try:
            return CheckRun.model_validate_json(self._file(check).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None  # a damaged file is written anew

    def _store(self, check: FolderCommand, run: CheckRun) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._file(check), run.model_dump_json().encode())

    def _file(self, check: FolderCommand) -> Path:
        setup = [command.shell for command in self._spec.setup]
        key = json.dumps([check.shell, self._spec.base.sha, setup])
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
