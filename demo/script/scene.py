"""What a script of the replayed Claude is made of: scenes of turns of tool calls."""

from dataclasses import dataclass
from typing import Any, Final

from demo.script.reply_stream import Block, text, thinking, tool_use
from graph import RoleName

_EDITOR: Final = "str_replace_based_edit_tool"


@dataclass(frozen=True)
class Call:
    """One tool call, and what its result must show for the story to go on."""

    tool: str
    input: dict[str, Any]
    shows: tuple[str, ...] = ()
    fails: bool = False

    @property
    def label(self) -> str:
        """How a complaint names the call."""
        if self.tool == "bash":
            return f"`{self.input['command']}`"
        return f"{self.input['command']} {self.input['path']}"


@dataclass(frozen=True)
class Turn:
    """One reply: thoughts, words, and either tool calls or the role's answer."""

    thinks: str = ""
    says: str = ""
    calls: tuple[Call, ...] = ()
    answer: Block | None = None

    def blocks(self) -> list[Block]:
        blocks: list[Block] = []
        if self.thinks:
            blocks.append(thinking(self.thinks))
        if self.says:
            blocks.append(text(self.says))
        blocks += [tool_use(call.tool, call.input) for call in self.calls]
        return [*blocks, self.answer] if self.answer else blocks


@dataclass(frozen=True)
class Scene:
    """One call of a role; `told` is what its first message must say."""

    role: RoleName
    told: tuple[str, ...]
    turns: tuple[Turn, ...]


def shell(command: str, *shows: str, fails: bool = False) -> Call:
    return Call("bash", {"command": command}, shows, fails)


def view(path: str, *shows: str) -> Call:
    return Call(_EDITOR, {"command": "view", "path": path}, shows)


def create(path: str, content: str) -> Call:
    return Call(_EDITOR, {"command": "create", "path": path, "file_text": content})


def replace(path: str, old: str, new: str) -> Call:
    return Call(_EDITOR, {"command": "str_replace", "path": path, "old_str": old, "new_str": new})
