"""Repositories of an evaluation's tasks, below the data folder."""

import asyncio
import hashlib
import shutil
from pathlib import Path

from api.evaluation import EvaluationTask
from forge.base import SingleCommits
from wiring.machine import Machine


class LocalTaskRepositories:
    """Each a bare repository of the base commit alone, in a folder named by task and commit.

    Its own name is the repository's, as roles are told it.
    """

    def __init__(self, machine: Machine) -> None:
        self._root = machine.settings.data_dir / "evaluations"
        self._commits = SingleCommits(machine.forge)

    async def open(self, task: EvaluationTask) -> str:
        folder = self._folder(task)
        await self._commits.make(task.repo, task.base_commit, folder)
        return str(folder)

    async def close(self, task: EvaluationTask) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder(task).parent, ignore_errors=True)

    def _folder(self, task: EvaluationTask) -> Path:
        named = f"{task.instance_id}\n{task.repo}\n{task.base_commit}"
        digest = hashlib.sha256(named.encode()).hexdigest()[:24]
        name = Path(task.repo.rstrip("/")).name.removesuffix(".git")
        return self._root / digest / (name or "repository")
