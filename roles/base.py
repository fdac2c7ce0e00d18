"""What the roles have in common: one conversation on one tree."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, ClassVar

from graph import (
    Effort,
    Emit,
    EnvironmentRecords,
    RetryPolicy,
    RoleResult,
    RoleTask,
    RunFolder,
)
from roles.briefing.request_pictures import load_pictures
from roles.claude.client import Claude
from roles.conversation.answer_tool import AnswerT
from roles.conversation.opening import Opening
from roles.conversation.role_spec import RoleSpec
from roles.conversation.session import Session, SessionEnd
from roles.conversation.user_messages import Inbox
from roles.tools.toolbox import Toolbox
from roles.transcript.predecessor import find_predecessor
from roles.transcript.transcript import Transcript
from roles.worktree.tree_digest import TreeView
from roles.worktree.write_fence import FileWriteFence, WriteFence
from sandbox import Sandboxes

_RETRY_POLICY = RetryPolicy(attempts=7, total_s=inf)
"""Of requests to Claude; what is left of the run limits the waiting."""


@dataclass(kw_only=True)
class ClaudeRole(ABC):
    """A role played by Claude; `model` is used where the task names none.

    `effort` takes the place of the role's own; `coder_differs` where the coder has another model or
    effort by its settings. A command has `command_timeout_s`. `fences` gives the fence of a call
    where the file in the run's folder does not serve. `records`
    tell what is made ready meanwhile, where that is known here.
    """

    spec: ClassVar[RoleSpec[Any]]
    result: ClassVar[type[RoleResult]]

    claude: Claude
    sandboxes: Sandboxes
    runs: Path
    model: str
    effort: Effort | None = None
    coder_differs: bool = False
    command_timeout_s: float = 300.0
    retry_policy: RetryPolicy = _RETRY_POLICY
    fences: Callable[[RoleTask], WriteFence] | None = None
    records: EnvironmentRecords | None = None

    @abstractmethod
    async def __call__(self, task: RoleTask, emit: Emit) -> RoleResult:
        """Do the task. Raises RoleError, ClaudeError, SandboxError."""

    async def _converse(
        self,
        spec: RoleSpec[AnswerT],
        task: RoleTask,
        toolbox: Toolbox,
        opening: Opening,
        emit: Emit,
        tree: TreeView | None = None,
    ) -> SessionEnd[AnswerT]:
        folder = RunFolder.of(self.runs, task.run_id)
        predecessor = await asyncio.to_thread(
            find_predecessor, folder.transcripts, task.step, spec.follows
        )
        session = Session(
            replace(spec, effort=await asyncio.to_thread(self._choose_effort, spec, task)),
            task=task,
            model=self.claude.model_id(task.model or self.model),
            claude=self.claude,
            toolbox=toolbox,
            transcript=await asyncio.to_thread(
                Transcript, folder.transcript(task.step, task.role), self._fence(task)
            ),
            inbox=Inbox(folder.root, task.role, emit),
            emit=emit,
            retry_policy=self.retry_policy,
            tree=tree,
        )
        pictures = partial(load_pictures, folder.pictures, task.pictures)
        return await session.run(replace(opening, predecessor=predecessor, pictures=pictures))

    def _choose_effort(self, spec: RoleSpec[Any], _: RoleTask) -> Effort | None:
        """How hard this call thinks; None: as the model does by itself. Blocks."""
        return self.effort or spec.effort

    def _fence(self, task: RoleTask) -> WriteFence:
        if self.fences:
            return self.fences(task)
        return FileWriteFence(RunFolder.of(self.runs, task.run_id).root, task.fence)
