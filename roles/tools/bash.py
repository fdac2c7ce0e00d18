"""Anthropic's bash tool: each command a shell of its own in the sandbox."""

import re
import shlex
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import BaseModel, Field

from roles.claude.reply import Block
from roles.tools.toolbox import MAX_OUTPUT, ToolResult
from roles.tools.written_files import WrittenFiles
from sandbox import ExecResult, RunOptions, Sandbox

_LIMITS = {
    "time": "its time limit",
    "memory": "its memory limit",
    "pids": "its limit of processes",
    "disk": "the tree's disk limit",
    "output": "its output limit",
}
_READERS: Final = frozenset((
    "basename", "cat", "cut", "diff", "dirname", "du", "echo", "egrep", "fgrep", "file", "find",
    "grep", "head", "ls", "nl", "pwd", "rg", "stat", "tail", "tr", "tree", "true", "wc", "which",
))  # fmt: skip
_GIT_READERS: Final = frozenset(
    ("blame", "grep", "log", "ls-files", "ls-tree", "rev-parse", "show")
)
_WRITES: Final = ("-exec", "-ok", "-delete", "-fprint", "-fls", "--pre", "-o", "--output", "-O")
_LONGEST_READER: Final = 4_000
"""Characters: nobody only reads at greater length, and words are told apart one by one."""
_SHELL: Final = re.compile(r"[<>`$&;(){}\n\\]|\|\|")
_SED_PRINT: Final = re.compile(r"\d+(,\d+)?p")


async def _show_nothing() -> str:
    return ""


class _Arguments(BaseModel):
    command: str | None = Field(default=None, min_length=1)
    restart: bool = False


class BashTool:
    """`bash_20250124`, without the state between commands that it may keep."""

    usage = 'bash takes {"command": "a shell command"} or {"restart": true}.'

    definition: Block = {"type": "bash_20250124", "name": "bash"}  # noqa: RUF012 - never changed

    def __init__(
        self,
        sandbox: Sandbox,
        show_tree: Callable[[], Awaitable[str]] = _show_nothing,
        written: WrittenFiles | None = None,
    ) -> None:
        """`show_tree` says which files are changed, after a command that was stopped in time.

        It adds to `written` what commands write to by name.
        """
        self._sandbox = sandbox
        self._show_tree = show_tree
        self._written = WrittenFiles() if written is None else written

    async def call(self, arguments: dict[str, Any], time_left_s: float) -> ToolResult:
        asked = _Arguments.model_validate(arguments, strict=True)
        if asked.command is None:
            if asked.restart:
                return ToolResult(
                    "There is nothing to restart: each command has a shell of its own."
                )
            return ToolResult(f"There is no command. {self.usage}", is_error=True)
        options = RunOptions(
            timeout_s=max(time_left_s, 0.1), keep_bytes=MAX_OUTPUT, more_follow=True
        )
        if not reads_only(asked.command):
            options["services"] = "wanted"
            self._written.add_of(asked.command)
        began = time.monotonic()
        result = await self._sandbox.run(asked.command, **options)
        is_late = time.monotonic() - began >= time_left_s
        broken_off = result.limit is not None or result.lost
        text = _format_result(result)
        if result.limit and not is_late and not reads_only(asked.command):
            text += await self._show_tree()
        return ToolResult(text, is_error=broken_off, exit_code=result.exit_code)

    def reads_only(self, arguments: dict[str, Any]) -> bool:
        command = arguments.get("command")
        return isinstance(command, str) and reads_only(command)


def reads_only(command: str) -> bool:
    """Whether a command is a pipeline of programs that only read; in doubt it is not."""
    plain = command.strip()
    if not plain or len(plain) > _LONGEST_READER or _SHELL.search(plain):
        return False
    try:
        lexer = shlex.shlex(plain, posix=True, punctuation_chars="|")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError:
        return False
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return all(map(_program_reads, parts))


def _program_reads(words: list[str]) -> bool:
    if not words or any(word.startswith(_WRITES) for word in words[1:]):
        return False
    match words:
        case ["sed", "-n", script, *files]:
            return bool(_SED_PRINT.fullmatch(script)) and not any(f.startswith("-") for f in files)
        case ["git", verb, *_]:
            return verb in _GIT_READERS
        case _:
            return words[0] in _READERS


def _format_result(result: ExecResult) -> str:
    text = result.text.rstrip("\n")
    if result.limit:
        seconds = f"{result.duration_ms / 1000:.0f} s"
        note = f"[stopped after {seconds}: the command reached {_LIMITS[result.limit]}]"
    elif result.exit_code:
        note = f"[exit code {result.exit_code}]"
    else:
        return text or "[no output]"
    return f"{text}\n{note}" if text else note
