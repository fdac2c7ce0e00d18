"""Anthropic's text editor tool on the files of a sandbox."""

import asyncio
import posixpath
import shlex
from typing import Annotated, Any, Final, Literal

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter

from roles.claude.reply import Block
from roles.tools.text_file import NotText, TextFile
from roles.tools.toolbox import MAX_OUTPUT, ToolResult
from roles.tools.written_files import WrittenFiles
from sandbox import WORKSPACE, FileAccessError, Sandbox, TreeRestored

_MAX_ENTRIES: Final = 400
_AROUND: Final = 2
_ENDS: Final = 3
_MAX_SHOWN: Final = 2_000
"""Of an edit: lines around it, first and last lines of a long one, and bytes in all."""
_MAX_PLACES: Final = 20
"""Occurrences that a refused edit lists."""

_READ_ONLY: Final = "Not done: this tree is thrown away. End this step first."


class _View(BaseModel):
    command: Literal["view"]
    path: str
    view_range: tuple[int, int] | None = None


class _Create(BaseModel):
    command: Literal["create"]
    path: str
    file_text: str


class _Replace(BaseModel):
    command: Literal["str_replace"]
    path: str
    old_str: str = Field(min_length=1)
    new_str: str = ""


class _Insert(BaseModel):
    command: Literal["insert"]
    path: str
    insert_line: int = Field(ge=0)
    insert_text: str = Field(validation_alias=AliasChoices("insert_text", "new_str"))


_Arguments = _View | _Create | _Replace | _Insert
_ARGUMENTS: TypeAdapter[_Arguments] = TypeAdapter(
    Annotated[_Arguments, Field(discriminator="command")]
)


class _InvalidCall(Exception):
    """Raised when a call cannot be carried out; says why in words for Claude."""


class EditorTool:
    """`text_editor_20250728`, for files below the workspace; `read_only` lets it view alone."""

    usage = (
        "The commands are view (path, view_range?), create (path, file_text), "
        "str_replace (path, old_str, new_str), insert (path, insert_line, insert_text)."
    )

    definition: Block = {  # noqa: RUF012 - never changed
        "type": "text_editor_20250728",
        "name": "str_replace_based_edit_tool",
    }

    def __init__(
        self, sandbox: Sandbox, *, read_only: bool = False, written: WrittenFiles | None = None
    ) -> None:
        """It adds to `written` what it wrote."""
        self._written = WrittenFiles() if written is None else written
        self._sandbox = sandbox
        self._read_only = read_only

    async def call(self, arguments: dict[str, Any], time_left_s: float) -> ToolResult:
        asked = _ARGUMENTS.validate_python(arguments)
        if self._read_only and not isinstance(asked, _View):
            return ToolResult(_READ_ONLY, is_error=True)
        try:
            path = _resolve(asked.path)
            return ToolResult(await self._carry_out(asked, path, time_left_s))
        except (FileAccessError, NotText, _InvalidCall) as error:
            return ToolResult(str(error), is_error=True)

    def reads_only(self, arguments: dict[str, Any]) -> bool:
        return arguments.get("command") == "view"

    async def _carry_out(self, asked: _Arguments, path: str, time_left_s: float) -> str:
        match asked:
            case _View():
                return await self._view(asked, path, time_left_s)
            case _Create():
                old = await self._read_if_there(path)
                new = await asyncio.to_thread(_with_line_ends, asked.file_text, old)
                await self._write(path, new)
                return f"Wrote {asked.path}."
            case _:
                data = await self._sandbox.read(path)
                new, done = await asyncio.to_thread(_edit, asked, data)
                await self._write(path, new)
                return done

    async def _write(self, path: str, data: bytes) -> None:
        await self._sandbox.write(path, data)
        self._written.add(path)

    async def _read_if_there(self, path: str) -> bytes:
        """What a file holds; nothing where it is new, or cannot be read."""
        try:
            return await self._sandbox.read(path)
        except TreeRestored:
            raise
        except FileAccessError:
            return b""

    async def _view(self, asked: _View, path: str, time_left_s: float) -> str:
        try:
            data = await self._sandbox.read(path)
        except TreeRestored:
            raise
        except FileAccessError as refused:
            listed = await self._list(path, time_left_s)
            if listed is None:
                raise
            if asked.view_range:
                raise _InvalidCall(
                    f"{asked.path} is a folder: view it without view_range."
                ) from refused
            return listed
        return await asyncio.to_thread(_show, asked, data)

    async def _list(self, path: str, time_left_s: float) -> str | None:
        """A folder's entries two levels deep; None where it is no folder."""
        quoted = shlex.quote(path)
        command = (
            f"[ -d {quoted} ] && cd -- {quoted} && find . -mindepth 1 -maxdepth 2 "
            r"\( -name '.*' -o -name node_modules \) -prune -o -printf '%P\0%y\n' "
            r"| LC_ALL=C sort | sed 's/\x00d$/\//; s/\x00.$//' "
            f"| head -n {_MAX_ENTRIES}"
        )
        result = await self._sandbox.run(
            command, timeout_s=max(time_left_s, 0.1), keep_bytes=MAX_OUTPUT
        )
        if result.exit_code != 0:
            return None
        return result.text.rstrip("\n") or "[the folder is empty]"


def _show(asked: _View, data: bytes) -> str:
    file = TextFile.decode(asked.path, data)
    first, last = asked.view_range or (1, -1)
    count = len(file.lines)
    last = count if last == -1 else min(last, count)
    if not 1 <= first <= max(last, 1):
        raise _InvalidCall(f"view_range must lie within 1 and {count}, the lines of {asked.path}.")
    return file.numbered(first, last, MAX_OUTPUT) or "[the file is empty]"


def _with_line_ends(text: str, old: bytes) -> bytes:
    """A text with the line ends of the file that it takes the place of, where those are CRLF."""
    crlf = b"\0" not in old and TextFile.decode("", old).crlf
    return TextFile(text.replace("\r\n", "\n") if crlf else text, crlf).encode()


def _edit(asked: _Replace | _Insert, data: bytes) -> tuple[bytes, str]:
    """The file's new bytes, and what is said of them."""
    file = TextFile.decode(asked.path, data)
    new, done = _replace(asked, file) if isinstance(asked, _Replace) else _insert(asked, file)
    return new.encode(), done


def _replace(asked: _Replace, file: TextFile) -> tuple[TextFile, str]:
    lines = file.find_lines(asked.old_str, _MAX_PLACES + 1)
    if not lines:
        raise _InvalidCall(
            f"old_str was not found in {asked.path}. View the file and copy it exactly."
        )
    if len(lines) > 1:
        shown = ", ".join(map(str, lines[:_MAX_PLACES]))
        times = len(lines) if len(lines) <= _MAX_PLACES else f"more than {_MAX_PLACES}"
        raise _InvalidCall(
            f"old_str was found {times} times in {asked.path} (lines {shown}). "
            "Give more of the text around it, so that it is there once."
        )
    new = file.with_replaced(asked.old_str, asked.new_str)
    shown = _show_around(new, lines[0], asked.new_str)
    return new, f"Replaced in {asked.path} at line {lines[0]}:\n{shown}"


def _insert(asked: _Insert, file: TextFile) -> tuple[TextFile, str]:
    if asked.insert_line > len(file.lines):
        raise _InvalidCall(
            f"insert_line must be at most {len(file.lines)}, the lines of {asked.path}."
        )
    new = file.with_inserted(asked.insert_line, asked.insert_text)
    shown = _show_around(new, asked.insert_line + 1, asked.insert_text)
    return new, f"Inserted into {asked.path} after line {asked.insert_line}:\n{shown}"


def _show_around(file: TextFile, first: int, text: str) -> str:
    """The lines around an edit and its own, of a long one both ends: its writer knows the rest."""
    end = first + text.rstrip("\n").count("\n")
    begin, last = max(first - _AROUND, 1), min(end + _AROUND, len(file.lines))
    if end - first < 2 * _ENDS:
        return file.numbered(begin, last, _MAX_SHOWN)
    head = file.numbered(begin, first + _ENDS - 1, _MAX_SHOWN // 2)
    tail = file.numbered(end - _ENDS + 1, last, _MAX_SHOWN // 2)
    return f"{head}\n[… as you wrote it …]\n{tail}"


def _resolve(path: str) -> str:
    """The absolute path below the workspace. What a link there leads to is the sandbox's matter."""
    full = posixpath.normpath(posixpath.join(WORKSPACE, path))
    if full != WORKSPACE and not full.startswith(f"{WORKSPACE}/"):
        raise _InvalidCall(f"{path} is not below {WORKSPACE}.")
    if not path or "\0" in path:
        raise _InvalidCall("The path is empty or holds a NUL.")
    return full
