"""Whether a role's answer can be taken: its form, its sense, and the tree that it speaks of."""

from dataclasses import dataclass
from typing import Final, Generic

from graph.errors import PatchTooLarge, PatchUnusable, RoleNoAnswer
from roles.conversation.answer_tool import AnswerT, AnswerTool, InvalidAnswer
from roles.transcript.transcript import AssistantMessage, Purpose, Transcript
from roles.worktree.tree_digest import TreeView

_RESTORED: Final = (
    " What you changed since then is not in it: look at `git status` and `git diff HEAD`, do again "
    "what is missing, then answer once more."
)
_LEFT_BEHIND: Final = (
    "Not part of the change, though it is in your tree: {left}. Where the work needs some of it, "
    "make it part: remove a `.git` that you made, put files elsewhere than into a submodule, or "
    "take a file back by a line with `!` in `.gitignore`. Then answer once more, and claim nothing "
    "that is not in the change."
)
_NOT_TAKEN: Final = (
    "The change cannot be taken out of your tree. {error} Change the tree so that it can, then "
    "answer once more."
)


@dataclass(frozen=True)
class Objection:
    """Why an answer is not taken, in words for Claude."""

    purpose: Purpose
    text: str


@dataclass(frozen=True)
class AnswerCheck(Generic[AnswerT]):
    """Judges the answers of one role call."""

    role: str
    tool: AnswerTool[AnswerT]
    transcript: Transcript
    tree: TreeView | None

    async def judge(self, reply: AssistantMessage) -> AnswerT | Objection:
        """The answer of a reply, or what stands against it.

        Raises RoleNoAnswer where a second one does not fit.
        """
        try:
            answer = self.tool.parse(reply.content)
        except InvalidAnswer as invalid:
            if "ask_again" in self.transcript.purposes:
                raise RoleNoAnswer(
                    f"The {self.role}'s answer does not fit its form: {invalid}."
                ) from invalid
            return Objection("ask_again", self.tool.retry_prompt(invalid))
        problem = self.tool.self_check(answer)
        if problem and not self.transcript.has_said("doubt"):
            return Objection("doubt", problem)
        return await self._check_tree() or answer

    async def _check_tree(self) -> Objection | None:
        """Whether the answer is about the change that is taken now: all of it, of no lost tree.

        Raises PatchTooLarge or PatchUnusable where it still cannot be taken once that was said.
        """
        if self.tree is None or self.tree.take is None:
            return None
        try:
            await self.tree.take()
        except (PatchTooLarge, PatchUnusable) as error:
            if self.transcript.has_said("not_taken"):
                raise
            return Objection("not_taken", _NOT_TAKEN.format(error=f"{error.message} {error.hint}"))
        if notices := self.tree.news(self.transcript.sandbox):
            return Objection("restored", notices + _RESTORED)
        left = self.tree.left_behind()
        if left and not self.transcript.has_said("left_behind"):
            return Objection("left_behind", _LEFT_BEHIND.format(left=left))
        return None
