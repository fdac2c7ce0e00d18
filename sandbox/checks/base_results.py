"""Checks on the untouched base: each is run there once, and its result kept with the run.

Those of the baseline are also kept for later runs on the same files.
"""

import asyncio
import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from graph import FolderCommand, RunFolder
from graph.errors import SetupFailed
from graph.files import write_whole
from sandbox.checks.kept_results import KeptResults
from sandbox.checks.run_check import CheckRun, run_check
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec


class BaseResults:
    """Runs checks in the tree `spec`, which is opened for the first that was not run before."""

    def __init__(
        self,
        runs: Path,
        sandboxes: Sandboxes,
        run_id: str,
        spec: TreeSpec,
        kept: KeptResults | None = None,
    ) -> None:
        self._folder = RunFolder.of(runs, run_id).checks
        self._sandboxes = sandboxes
        self._run_id = run_id
        self._spec = spec
        self._kept = kept
        self._sandbox: Sandbox | None = None
        self._usable = True

    async def find(self, check: FolderCommand, deadline: float) -> CheckRun | None:
        """How the check ends on the base; None where it cannot begin in time.

        One that was stopped as the time ended is told, and tried anew where there is more.
        """
        if kept := await self.load(check):
            return kept
        run = await self.run(check, deadline)
        if run and not run.too_late:
            await asyncio.to_thread(self._store, check, run)
        return run

    async def run(self, command: FolderCommand, deadline: float) -> CheckRun | None:
        """How a command ends there now; None where it does not begin by the deadline."""
        sandbox = await self._open()
        run = await run_check(sandbox, command, deadline) if sandbox else None
        return run if run and run.begun else None

    async def keep(self, check: FolderCommand, run: CheckRun) -> None:
        """Let later runs find it."""
        if self._kept:
            await asyncio.to_thread(self._kept.keep, self._spec, check, run)

    async def forget(self, check: FolderCommand) -> None:
        """Let no later run find it: it did not end the same way again."""
        if self._kept:
            await asyncio.to_thread(self._kept.forget, self._spec, check)

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

    async def load(self, check: FolderCommand) -> CheckRun | None:
        """How the check ended there, where it was run before, by an earlier run too."""
        return await asyncio.to_thread(self._load, check)

    def _load(self, check: FolderCommand) -> CheckRun | None:
        try:
            return CheckRun.model_validate_json(self._file(check).read_bytes())
        except (FileNotFoundError, ValidationError):
            return self._kept.load(self._spec, check) if self._kept else None

    def _store(self, check: FolderCommand, run: CheckRun) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._file(check), run.model_dump_json().encode())

    def _file(self, check: FolderCommand) -> Path:
        setup = [command.shell for command in self._spec.setup]
        key = json.dumps([check.shell, self._spec.base.sha, setup])
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
