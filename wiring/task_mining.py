"""Tasks made of merged pull requests: those whose tests fail without the rest and pass with it."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from api.evaluation import EvaluationTask
from forge.base import PullPatches, PullPatchReader
from forge.core import MergedPull, PullText
from graph.errors import PatchTooLarge, PatchUnusable, RepositoryNotFound, SetupFailed
from sandbox.changes import Diff
from wiring.machine import Machine
from wiring.task_grading import TaskGrader

_MOST_PULLS: Final = 300
_CLOSES: Final = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s{1,8}#(\d{1,9})\b", re.IGNORECASE
)
_LONGEST_TEXT: Final = 60_000


@dataclass(frozen=True)
class MinedPull:
    """One pull request: its task, or why it is none."""

    number: int
    title: str
    task: EvaluationTask | None = None
    why_not: str = ""


class TaskMiner:
    """Looks through the merged pull requests of one repository of the forge."""

    def __init__(self, machine: Machine, repo: str) -> None:
        self._forge = machine.forge
        self._repo = machine.configuration.full_name(repo)
        self._grader = TaskGrader(machine)
        self._folder = machine.settings.data_dir / "evaluations" / f"pulls-{secrets.token_hex(6)}"

    async def mine(self, since: float) -> AsyncIterator[MinedPull]:
        """Those merged after `since`, in Unix seconds. Raises CodingAgentError."""
        reader = PullPatchReader(self._forge, self._repo, self._folder)
        try:
            for pull in await self._forge.merged_pulls(self._repo, since, _MOST_PULLS):
                yield await self._try(reader, pull)
        finally:
            await reader.close()

    async def _try(self, reader: PullPatchReader, pull: MergedPull) -> MinedPull:
        def none(why: str) -> MinedPull:
            return MinedPull(pull.number, pull.text.title, why_not=why)

        base = await self._forge.merge_base(self._repo, pull.base_sha, pull.head_sha)
        try:
            patches = await reader.read(base, pull.head_sha, lambda patch: Diff.read(patch).tests)
        except (PatchTooLarge, PatchUnusable) as error:
            return none(error.message)
        if not patches.tests or not patches.sources:
            return none(f"it touches no {'tests' if patches.sources else 'sources'}")
        task = self._task(pull, base, patches, await self._statement(pull))
        try:
            failing, why_not = await self._failing_tests(task)
        except (PatchUnusable, SetupFailed) as error:
            return none(error.message)
        if why_not:
            return none(why_not)
        done = task.model_copy(update={"fail_to_pass": failing})
        return MinedPull(pull.number, pull.text.title, task=done)

    async def _failing_tests(self, task: EvaluationTask) -> tuple[tuple[str, ...], str]:
        """The tests that fail without the solution and pass with it; else why there are none."""
        async with self._grader.open(task) as trial:
            before = await trial.validate("", task.test_patch)
            if before.status != "failed":
                return (), f"its tests do not fail without it ({before.status})"
            after = await trial.validate(task.patch, task.test_patch)
        if after.status != "passed":
            return (), f"the checks do not pass with it ({after.status})"
        return before.new_failures, ""

    async def _statement(self, pull: MergedPull) -> PullText:
        """What was asked for: by the issue that the pull request closes, else by itself."""
        if found := _CLOSES.search(pull.text.body[:_LONGEST_TEXT]):
            try:
                return await self._forge.issue_text(self._repo, int(found[1]))
            except RepositoryNotFound:
                return pull.text
        return pull.text

    def _task(
        self, pull: MergedPull, base: str, patches: PullPatches, said: PullText
    ) -> EvaluationTask:
        return EvaluationTask(
            instance_id=f"{self._repo.replace('/', '__')}-{pull.number}",
            repo=self._repo,
            base_commit=base,
            problem_statement=f"{said.title}\n\n{said.body}".strip()[:_LONGEST_TEXT],
            patch=patches.sources,
            test_patch=patches.tests,
        )
