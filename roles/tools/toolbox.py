"""The tools of a role: what Claude may call, carried out in a sandbox."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import ValidationError

from graph import describe_faults
from roles.claude.reply import Block

MAX_OUTPUT: Final = 16_000
"""Bytes of one result; of more the two ends are kept."""


@dataclass(frozen=True)
class ToolResult:
    """What goes back to Claude, and how it ended."""

    content: str
    is_error: bool = False
    exit_code: int | None = None

    @property
    def ok(self) -> bool:
        return not self.is_error and not self.exit_code


class Tool(Protocol):
    """One tool that the API knows by its type; `usage` says how to call it rightly."""

    definition: Block
    usage: str

    async def call(self, arguments: dict[str, Any], time_left_s: float) -> ToolResult:
        """Raises ValidationError where the arguments do not fit, SandboxError."""
        ...

    def reads_only(self, arguments: dict[str, Any]) -> bool:
        """Whether the call surely changes nothing, so that others may run beside it."""
        ...


class Toolbox:
    """The tools of one role by name."""

    def __init__(self, *tools: Tool) -> None:
        self._tools = {str(tool.definition["name"]): tool for tool in tools}

    def with_tools(self, *tools: Tool) -> "Toolbox":
        """These and more."""
        return Toolbox(*self._tools.values(), *tools)

    @property
    def definitions(self) -> list[Block]:
        return [tool.definition for tool in self._tools.values()]

    def reads_only(self, call: Block) -> bool:
        tool = self._tools.get(call["name"])
        return tool is not None and tool.reads_only(call["input"])

    async def call(self, call: Block, time_left_s: float) -> ToolResult:
        """Carry out one call; a wrong one is answered with what would be right."""
        tool = self._tools.get(call["name"])
        if tool is None:
            names = ", ".join(self._tools)
            return ToolResult(
                f"There is no tool {call['name']!r}. The tools are: {names}.", is_error=True
            )
        try:
            return await tool.call(call["input"], time_left_s)
        except ValidationError as error:
            problem = describe_faults(error)[0]
            return ToolResult(f"The arguments do not fit ({problem}). {tool.usage}", is_error=True)
