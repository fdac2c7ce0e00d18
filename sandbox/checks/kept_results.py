"""Results of checks on untouched bases that later runs on the same files find."""

import hashlib
import json
import time
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from graph import FolderCommand, repo_of
from graph.files import write_whole
from sandbox.checks.run_check import CheckRun
from sandbox.core.protocol import TreeSpec
from sandbox.setup.archive_cache import OLDEST_S
from sandbox.setup.cache_key import results_of

_KEY_CHARS: Final = 48


class KeptResults:
    """One file each, named by the base's files, the environment, the command and its time limit.

    Its methods block. A result serves as long as what set-up made.
    """

    def __init__(self, folder: Path, *, timeout_s: float) -> None:
        self._folder = folder
        self._timeout_s = timeout_s

    def load(self, spec: TreeSpec, check: FolderCommand) -> CheckRun | None:
        file = self._file(spec, check)
        try:
            if file and time.time() - file.stat().st_mtime < OLDEST_S:
                return CheckRun.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):
            pass  # one that cannot be read is made anew
        return None

    def keep(self, spec: TreeSpec, check: FolderCommand, run: CheckRun) -> None:
        """Keep what came to its end, as it would again."""
        file = self._file(spec, check)
        if file is None or run.limit or run.too_late or not run.started:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, run.model_dump_json().encode())
        for old in self._folder.glob("*.json"):
            if time.time() - old.stat().st_mtime > OLDEST_S:
                old.unlink(missing_ok=True)

    def forget(self, spec: TreeSpec, check: FolderCommand) -> None:
        """Remove a result that does not hold again."""
        if file := self._file(spec, check):
            file.unlink(missing_ok=True)

    def _file(self, spec: TreeSpec, check: FolderCommand) -> Path | None:
        """None where it is not known what made the tree ready, and of a pull request's head."""
        environment = spec.environment
        if spec.base.trusted or spec.change is not None or (spec.setup and not environment.key):
            return None
        made_of = [
            spec.base.tree,
            environment.key,
            dict(environment.tools),
            check.shell,
            self._timeout_s,
        ]
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return self._folder / f"{results_of(repo_of(spec.base))}{key[:_KEY_CHARS]}.json"
