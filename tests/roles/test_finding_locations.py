"""Findings point to what exists."""

from pathlib import Path
from typing import Any

import pytest

from graph.values import Finding
from roles.briefing.change_diff import ChangeDiff
from roles.finding_locations import validate_locations
from sandbox.core.protocol import ExecResult
from tests.standins.directory_sandbox import DirectorySandbox

DIFF = """\
diff --git a/src/calc.py b/src/calc.py
--- a/src/calc.py
+++ b/src/calc.py
@@ -1 +1 @@
-a
+b
diff --git a/src/gone.py b/src/gone.py
deleted file mode 100644
--- a/src/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-a
"""


@pytest.fixture
def tree(tmp_path: Path) -> DirectorySandbox:
    root = tmp_path / "workspace"
    files = {"src/calc.py": "b\nc\nd", "src/main.py": "x\n", "odd\nname.py": "x\n", "empty": ""}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (tmp_path / "outside.py").write_text("x\n")
    return DirectorySandbox(root, root)


def found(path: str, line: int | None = None) -> Finding:
    return Finding(severity="error", path=path, line=line, message="Wrong.")


@pytest.mark.parametrize(
    ("path", "line", "place"),
    [
        ("src/calc.py", 2, ("src/calc.py", 2)),
        (" `src/calc.py` ", 3, ("src/calc.py", 3)),
        ("/workspace/src/calc.py", 1, ("src/calc.py", 1)),
        ("./src/../src/calc.py", None, ("src/calc.py", None)),
        ("b/src/calc.py", 1, ("src/calc.py", 1)),
        ("calc.py", 1, ("src/calc.py", 1)),
        ("src/calc.py:2", None, ("src/calc.py", 2)),
        ("src/calc.py:2-3", None, ("src/calc.py", 2)),
        ("src/main.py", 1, ("src/main.py", 1)),
        ("odd\nname.py", 1, ("odd\nname.py", 1)),
        ("src", None, ("src", None)),
        ("src/gone.py", 1, ("src/gone.py", None)),
        ("src/calc.py", 0, ("src/calc.py", None)),
        ("", 7, ("", None)),
    ],
)
async def test_what_is_there(
    tree: DirectorySandbox, path: str, line: int | None, place: tuple[str, int | None]
) -> None:
    (finding,) = await validate_locations([found(path, line)], ChangeDiff.read(DIFF).files, tree)
    assert (finding.path, finding.line) == place
    assert finding.message == "Wrong."


@pytest.mark.parametrize("path", ["lost.py", "../outside.py", "/etc/passwd", "a\0b", "$(ls)", "-n"])
async def test_what_is_not_there(tree: DirectorySandbox, path: str) -> None:
    (finding,) = await validate_locations([found(path, 3)], ChangeDiff.read(DIFF).files, tree)
    assert (finding.path, finding.line) == ("", None)
    assert "neither in the change nor in the tree" in finding.message


@pytest.mark.parametrize(("path", "line"), [("src/calc.py", 4), ("empty", 1), ("src", 1)])
async def test_line_that_is_not_there(tree: DirectorySandbox, path: str, line: int) -> None:
    (finding,) = await validate_locations([found(path, line)], ChangeDiff.read(DIFF).files, tree)
    assert (finding.path, finding.line) == (path, None)
    assert f"named line {line}" in finding.message


async def test_tree_that_cannot_be_asked(tree: DirectorySandbox) -> None:
    class Mute(DirectorySandbox):
        async def run(self, command: str, **_: Any) -> ExecResult:
            return await super().run("exit 3")

    mute = Mute(tree.root, tree.root)
    (finding,) = await validate_locations([found("lost.py", 9)], ChangeDiff.read(DIFF).files, mute)
    assert (finding.path, finding.line) == ("lost.py", 9)
