"""What makes a role."""

from dataclasses import dataclass
from typing import Any, Generic

from graph import Effort, RoleName
from roles.claude.reply import Block
from roles.conversation.answer_tool import AnswerT, AnswerTool, RefusedAnswerTool


@dataclass(frozen=True)
class RoleSpec(Generic[AnswerT]):
    """A role: its prompt, the tool it ends with, how hard it thinks and how long.

    `instructions` say in a message what is the role's own, where others share its `system`.
    `follows` are the roles whose conversation it goes on with, and `shared` the tools with which
    these end, in the order of the one list. No `effort`: the model's own. `changes` says that its
    work is what it leaves in its tree.
    """

    system: str
    answer: AnswerTool[AnswerT]
    instructions: str = ""
    follows: tuple[RoleName, ...] = ()
    shared: tuple[AnswerTool[Any], ...] = ()
    effort: Effort | None = None
    max_turns: int = 100
    changes: bool = False

    @property
    def answer_tools(self) -> list[Block]:
        """Definitions of the tools that end a role of this conversation."""
        return [tool.definition for tool in self.shared or (self.answer,)]

    @property
    def refused_tools(self) -> list[RefusedAnswerTool]:
        """Those of the other roles."""
        others = (tool for tool in self.shared if tool.name != self.answer.name)
        return [RefusedAnswerTool(tool, self.answer.name) for tool in others]
