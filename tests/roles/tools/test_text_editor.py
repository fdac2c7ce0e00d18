"""Anthropic's text editor tool on the files of a sandbox."""

import sys
from typing import Any

import pytest
from pydantic import ValidationError

from roles.tools.text_editor import EditorTool
from roles.tools.text_file import TextFile
from roles.tools.toolbox import ToolResult
from tests.standins.directory_sandbox import DirectorySandbox

POEM = "one\ntwo\nthree\n"


class Editor:
    """Calls the tool by its arguments."""

    def __init__(self, sandbox: DirectorySandbox) -> None:
        self.root = sandbox.root
        self._tool = EditorTool(sandbox)
        (self.root / "poem.txt").write_text(POEM)

    async def __call__(self, command: str, path: str = "poem.txt", **more: Any) -> ToolResult:
        return await self._tool.call({"command": command, "path": path, **more}, 60)

    @property
    def poem(self) -> bytes:
        return (self.root / "poem.txt").read_bytes()


@pytest.fixture
def editor(sandbox: DirectorySandbox) -> Editor:
    return Editor(sandbox)


@pytest.mark.parametrize("path", ["poem.txt", "/workspace/poem.txt", "./a/../poem.txt"])
async def test_view(editor: Editor, path: str) -> None:
    result = await editor("view", path)
    assert result.content == "     1\tone\n     2\ttwo\n     3\tthree"
    assert result.ok


async def test_view_range(editor: Editor) -> None:
    assert (await editor("view", view_range=[2, 2])).content == "     2\ttwo"
    assert (await editor("view", view_range=[2, -1])).content.endswith("three")
    assert (await editor("view", view_range=[3, 99])).content == "     3\tthree"


@pytest.mark.parametrize("view_range", [[0, 1], [4, 5], [3, 2], [-1, -1]])
async def test_view_range_outside(editor: Editor, view_range: list[int]) -> None:
    result = await editor("view", view_range=view_range)
    assert result.is_error
    assert "1 and 3" in result.content


async def test_view_of_a_long_file_keeps_both_ends(editor: Editor) -> None:
    (editor.root / "long").write_text("".join(f"line {number}\n" for number in range(5000)))
    result = await editor("view", "long")
    assert result.content.startswith("     1\tline 0\n")
    assert result.content.endswith("  5000\tline 4999")
    assert "use view_range" in result.content
    assert len(result.content) <= 16_100


async def test_view_of_a_long_line(editor: Editor) -> None:
    (editor.root / "long").write_text("x" * 50_000)
    result = await editor("view", "long")
    assert "goes on" in result.content
    assert len(result.content) <= 16_200


async def test_view_of_odd_files(editor: Editor) -> None:
    (editor.root / "empty").write_text("")
    (editor.root / "latin").write_bytes(b"caf\xe9\n")
    (editor.root / "binary").write_bytes(b"\x7fELF\0\0")
    assert (await editor("view", "empty")).content == "[the file is empty]"
    assert (await editor("view", "latin")).content == "     1\tcaf\ufffd"
    assert (await editor("view", "binary")).is_error
    assert (await editor("view", "gone")).is_error


async def test_view_of_a_folder(editor: Editor) -> None:
    for name in ("src/deep/er/a.py", "src/b.py", ".hidden/c", "node_modules/d/e", "a b.txt"):
        (editor.root / name).parent.mkdir(parents=True, exist_ok=True)
        (editor.root / name).write_text("")
    listed = (await editor("view", "/workspace")).content.split("\n")
    assert listed == [
        "README.md",
        "a b.txt",
        "calc.py",
        "poem.txt",
        "src/",
        "src/b.py",
        "src/deep/",
    ]
    assert (await editor("view", "src/")).content.split("\n") == ["b.py", "deep/", "deep/er/"]
    assert (await editor("view", "src", view_range=[1, 2])).is_error


async def test_create(editor: Editor) -> None:
    assert (await editor("create", "new/deep/a.py", file_text="x = 1\n")).ok
    assert (editor.root / "new/deep/a.py").read_text() == "x = 1\n"
    assert (await editor("create", file_text="")).ok
    assert editor.poem == b""
    assert (await editor("create", "new", file_text="")).is_error


async def test_replace(editor: Editor) -> None:
    result = await editor("str_replace", old_str="two\n", new_str="2\n2\n")
    shown = "     1\tone\n     2\t2\n     3\t2\n     4\tthree"
    assert (result.content, result.ok) == (f"Replaced in poem.txt at line 2:\n{shown}", True)
    assert editor.poem == b"one\n2\n2\nthree\n"
    await editor("str_replace", old_str="2\n2\n")
    assert editor.poem == b"one\nthree\n"


async def test_edit_shows_the_lines_around_it(editor: Editor) -> None:
    (editor.root / "long").write_text("".join(f"line {n}\n" for n in range(1, 100)))
    result = await editor("str_replace", "long", old_str="line 50\n", new_str="x\n" * 2)
    assert [line.split("\t")[1] for line in result.content.splitlines()[1:]] == [
        "line 48", "line 49", "x", "x", "line 51", "line 52",
    ]  # fmt: skip
    result = await editor("str_replace", "long", old_str="x\nx\n", new_str="y\n" * 40)
    assert [line.split("\t")[-1] for line in result.content.splitlines()[1:]] == [
        *("line 48", "line 49", "y", "y", "y"),
        "[… as you wrote it …]",
        *("y", "y", "y", "line 51", "line 52"),
    ]
    result = await editor("insert", "long", insert_line=0, insert_text="y" * 9_000)
    assert len(result.content) < 2_200
    assert "the line goes on" in result.content


async def test_read_only_editor_views_alone(editor: Editor) -> None:
    tool = EditorTool(DirectorySandbox(editor.root, editor.root), read_only=True)
    assert (await tool.call({"command": "view", "path": "poem.txt"}, 60)).ok
    refused = await tool.call({"command": "create", "path": "poem.txt", "file_text": ""}, 60)
    assert refused.is_error
    assert editor.poem == b"one\ntwo\nthree\n"


async def test_replace_needs_exactly_one_place(editor: Editor) -> None:
    (editor.root / "aaa").write_text("aaa\nb\na\n")
    many = await editor("str_replace", "aaa", old_str="a", new_str="c")
    none = await editor("str_replace", "aaa", old_str="zz", new_str="c")
    overlapping = await editor("str_replace", "aaa", old_str="aa", new_str="c")
    assert "4 times" in many.content
    assert "1, 1, 1, 3" in many.content
    assert "not found" in none.content
    assert "2 times" in overlapping.content
    assert many.is_error
    assert none.is_error
    assert overlapping.is_error
    assert (editor.root / "aaa").read_text() == "aaa\nb\na\n"


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("}\n" * 500_000, "}"),
        ("a" * 1_000_000, "a" * 400_000),
        ("\n" * 1_000_000, "\n"),
        ("ab" * 400_000 + "\n", "ba"),
    ],
    ids=lambda value: value[:3],
)
def test_looking_for_a_place_is_linear(text: str, old: str) -> None:
    """In steps of the interpreter, as its clock would be that of a busy machine."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    file = TextFile(text)
    sys.setprofile(count)
    try:
        lines = file.find_lines(old, 21)
    finally:
        sys.setprofile(None)
    assert len(lines) == 21
    assert steps < 500


async def test_many_places_are_not_all_told(editor: Editor) -> None:
    (editor.root / "many.txt").write_text("}\n" * 100_000)
    result = await editor("str_replace", "many.txt", old_str="}", new_str="x")
    assert result.is_error
    assert "found more than 20 times" in result.content
    assert "20)" in result.content


@pytest.mark.parametrize(
    ("old", "text", "new"),
    [
        (b"one\r\ntwo\r\n", "1\n2\n3\n", b"1\r\n2\r\n3\r\n"),
        (b"one\r\ntwo\r\n", "1\r\n2\n", b"1\r\n2\r\n"),
        (b"caf\xe9\r\n", "1\n", b"1\r\n"),
        (b"one\r\ntwo\n", "1\n", b"1\n"),
        (b"one\n", "1\r\n", b"1\r\n"),
        (b"\0\r\n", "1\n", b"1\n"),
        (b"", "1\n", b"1\n"),
    ],
)
async def test_a_file_that_is_written_anew_keeps_its_line_ends(
    editor: Editor, old: bytes, text: str, new: bytes
) -> None:
    (editor.root / "poem.txt").write_bytes(old)
    assert (await editor("create", file_text=text)).ok
    assert editor.poem == new


async def test_line_ends_and_bytes_are_kept(editor: Editor) -> None:
    path = editor.root / "poem.txt"
    path.write_bytes(b"one\r\ncaf\xe9\r\nthree")
    await editor("str_replace", old_str="one\n", new_str="1\n1b\n")
    assert editor.poem == b"1\r\n1b\r\ncaf\xe9\r\nthree"
    await editor("insert", insert_line=3, insert_text="new")
    assert editor.poem == b"1\r\n1b\r\ncaf\xe9\r\nnew\r\nthree"
    path.write_bytes(b"one\r\ntwo\n")
    await editor("str_replace", old_str="two", new_str="2")
    assert editor.poem == b"one\r\n2\n"


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (0, "zero", "zero\none\ntwo\nthree\n"),
        (0, "zero\n", "zero\none\ntwo\nthree\n"),
        (1, "a\nb", "one\na\nb\ntwo\nthree\n"),
        (3, "four", "one\ntwo\nthree\nfour\n"),
        (3, "four\n", "one\ntwo\nthree\nfour\n"),
    ],
)
async def test_insert(editor: Editor, line: int, text: str, expected: str) -> None:
    assert (await editor("insert", insert_line=line, insert_text=text)).ok
    assert editor.poem.decode() == expected


async def test_insert_at_the_ends_of_odd_files(editor: Editor) -> None:
    (editor.root / "poem.txt").write_text("")
    await editor("insert", insert_line=0, insert_text="a")
    assert editor.poem == b"a\n"
    (editor.root / "poem.txt").write_text("one\ntwo")
    await editor("insert", insert_line=2, insert_text="three")
    assert editor.poem == b"one\ntwo\nthree"
    assert (await editor("insert", insert_line=9, insert_text="x")).is_error


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "/workspace/../etc/x", "/workspacex/a", ""]
)
@pytest.mark.parametrize("command", ["view", "create", "str_replace", "insert"])
async def test_paths_outside(editor: Editor, command: str, path: str) -> None:
    more = {"file_text": "x", "old_str": "a", "insert_line": 0, "insert_text": "x"}
    result = await editor(command, path, **more)
    assert result.is_error
    assert "below /workspace" in result.content or "empty" in result.content


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"command": "undo_edit", "path": "a"},
        {"command": "view"},
        {"command": "view", "path": "a", "view_range": [1]},
        {"command": "str_replace", "path": "a", "old_str": ""},
        {"command": "insert", "path": "a", "insert_line": -1, "insert_text": "x"},
        {"command": "insert", "path": "a", "insert_line": 1},
    ],
)
async def test_misfit(sandbox: DirectorySandbox, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await EditorTool(sandbox).call(arguments, 60)


def test_only_view_reads(sandbox: DirectorySandbox) -> None:
    tool = EditorTool(sandbox)
    assert tool.reads_only({"command": "view", "path": "a"})
    assert not tool.reads_only({"command": "create", "path": "a"})
    assert not tool.reads_only({})
