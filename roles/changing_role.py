"""What coder and fixer have in common: the live tree, and handing over its change."""

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from graph import (
    NO_ENVIRONMENT,
    Base,
    ChangeRef,
    ChangeResult,
    Emit,
    Retry,
    RoleTask,
    RunFolder,
    answer_lines,
)
from graph.errors import SecretInChange
from graph.files import store_change
from roles.base import ClaudeRole
from roles.conversation.opening import Opening
from roles.shared_conversation import ChangeAnswer
from roles.tools.bash import BashTool
from roles.tools.text_editor import EditorTool
from roles.tools.toolbox import Toolbox
from roles.tools.written_files import WrittenFiles
from roles.transcript.earlier_calls import earlier_calls
from roles.worktree.binary_patch import iter_binary_parts
from roles.worktree.change_backup import ChangeBackup
from roles.worktree.tree_digest import TreeView, show_changes, tree_digest
from sandbox import Sandbox, TreeSpec
from sandbox.tree import TakenChange, live_tree, take_change

_MAX_PATCH: Final = 50 * 1024 * 1024
_MAX_TITLE: Final = 200
_MOST_OPEN: Final = 20
"""Beside the answers to comments of a review."""
_LONGEST_OPEN: Final = 400
_NOTHING_SAID: Final = ChangeAnswer(title="", summary="", done=True, unchecked=[])


class ChangeSnapshot:
    """What a tree had against the base when it was looked at last, and what was left in it."""

    def __init__(self, sandbox: Sandbox, base: Base, written: Collection[str]) -> None:
        """`written`, which may grow, are the paths of files that the role wrote."""
        self._sandbox = sandbox
        self._base = base
        self._written = written
        self._taken = TakenChange()

    @property
    def patch(self) -> bytes:
        return self._taken.patch

    async def take(self) -> None:
        self._taken = await take_change(
            self._sandbox, self._base, max_bytes=_MAX_PATCH, written=self._written
        )

    def left_behind(self) -> str:
        """What is not in the change, for whoever takes it to be; mostly empty."""
        return ", ".join(map(str, self._taken.left_behind))


class ChangingRole(ClaudeRole):
    """A role that works in the live tree and hands the whole change over."""

    result = ChangeResult

    @abstractmethod
    def _opening(self, task: RoleTask, sandbox: Sandbox) -> Opening:
        """What it is told first."""

    async def __call__(self, task: RoleTask, emit: Emit) -> ChangeResult:
        backup = self._open_backup(task)
        name = live_tree(task.base)
        tree = TreeSpec(
            name=name,
            base=task.base,
            change=task.change,
            environment=task.environment or NO_ENVIRONMENT,
            saved=backup,
            emit=emit,
        )
        sandbox = await self.sandboxes.open(task.run_id, tree)
        try:
            written = await asyncio.to_thread(self._written_before, task)
            editor = EditorTool(sandbox, written=written)
            bash = BashTool(sandbox, lambda: show_changes(sandbox), written)
            snapshot = ChangeSnapshot(sandbox, task.base, written)
            view = TreeView(
                lambda: tree_digest(sandbox),
                backup.take_notices,
                snapshot.take,
                snapshot.left_behind,
                lambda: show_changes(sandbox),
                lambda: backup.sandbox,
            )
            opening = self._opening(task, sandbox)
            toolbox = Toolbox(bash, editor)
            end = await self._converse(self.spec, task, toolbox, opening, emit, view)
            if end.answer is None:
                await snapshot.take()
                if end.error and not snapshot.patch:
                    raise end.error
                _report_loss(backup.take_notices(), emit)
            change = await self._store_change(task, snapshot.patch, backup)
        finally:
            await sandbox.close()
        said = end.answer or _NOTHING_SAID
        if self.claude.contains_key(said.model_dump_json().encode()):
            raise _key_error("What the role says of its change")
        title = (said.title.strip().splitlines() or [""])[0][:_MAX_TITLE]
        return ChangeResult(
            change=change,
            title=title,
            summary=_told_of_rest(said.summary.strip(), snapshot.left_behind()),
            done=said.done,
            unchecked=_list_open(said.unchecked),
            spend=end.spend,
            stopped=end.stopped,
            shortfall=end.shortfall,
        )

    def _written_before(self, task: RoleTask) -> WrittenFiles:
        """What this call, where it goes on, and those before it wrote into the tree."""
        written = WrittenFiles()
        folder = RunFolder.of(self.runs, task.run_id).transcripts
        for arguments in earlier_calls(folder, ("coder", "fixer")):
            written.add_call(arguments)
        return written

    def _open_backup(self, task: RoleTask) -> ChangeBackup:
        folder = RunFolder.of(self.runs, task.run_id)
        file = folder.live_patch(task.step, task.role)
        return ChangeBackup(file, self._fence(task), self._holds_key)

    async def _store_change(
        self, task: RoleTask, patch: bytes, backup: ChangeBackup
    ) -> ChangeRef | None:
        """Keep what the tree has against the base, finished or not."""
        if not patch:
            return None
        if await asyncio.to_thread(self._holds_key, patch):
            raise _key_error("The change")
        folder = RunFolder.of(self.runs, task.run_id)
        keep = partial(store_change, folder, task.step, task.role, patch)
        return await asyncio.to_thread(backup.hand_over, patch, keep)

    def _holds_key(self, patch: bytes) -> bool:
        """In a delta the key's edges may be copied from the base, so its middle is looked for."""
        pieces = iter_binary_parts(patch)
        return self.claude.contains_key(patch) or any(
            self.claude.contains_key(piece, middle=True) for piece in pieces
        )


def _told_of_rest(summary: str, left_behind: str) -> str:
    """The summary, and below it what a reader may look for in vain."""
    note = f"Left in the work tree, not part of the change: {left_behind}." if left_behind else ""
    return "\n\n".join(filter(None, (summary, note)))


def _list_open(said: Sequence[str]) -> tuple[str, ...]:
    """What is not done or not checked, a line each; no answer to a comment is left out."""
    lines = dict.fromkeys(" ".join(each.split())[:_LONGEST_OPEN] for each in said)
    answers = answer_lines(lines).values()
    others = [line for line in lines if line and not answer_lines([line])]
    return (*others[:_MOST_OPEN], *answers)


def _report_loss(notice: str, emit: Emit) -> None:
    """Emit as an event what the role cannot read any more because a limit was reached."""
    if notice:
        emit(Retry(what="sandbox", attempt=2, wait_ms=0, reason=notice))


def _key_error(where: str) -> SecretInChange:
    return SecretInChange(
        f"{where} holds the key for the Messages API; it was not kept.",
        "Renew the key, and find out how it came into reach of the repository.",
    )
