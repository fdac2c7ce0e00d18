"""Reports of edits that change more than they were asked to, or something else."""

from pathlib import Path
from typing import Final

from tests.e2e.replays.report import Report, coder, edit, keeps, use_editor
from tests.support.whole_runs.claude_script import MORNING, shell
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run

WINDOWS: Final = b"one\r\ntwo\r\nthree\r\n"
MIXED: Final = b"10%\r20%\r\none\nold\r\nlast"
BOM: Final = b"\xef\xbb\xbf"
TWICE: Final = b"same\nsame\n"
SCRIPT: Final = b"#!/bin/sh\necho one\n"


def _make_script(folder: Path) -> None:
    (folder / "run.sh").write_bytes(SCRIPT)
    (folder / "run.sh").chmod(0o755)


def _make_link(folder: Path) -> None:
    (folder / "settings.txt").symlink_to("canonical.txt")


def _target_is_edited(run: Run, repo: Hosted) -> None:
    tree = repo.tree(run.end["branch"])
    assert tree[b"settings.txt"] == ("120000", b"canonical.txt")
    assert tree[b"canonical.txt"] == ("100644", b"enabled = True\n")


EDITS: Final = (
    Report(
        "langchain-ai/deepagents#2879",
        "Files with CRLF could not be edited: reading hid what the edit compared.",
        coder(shell(MORNING), edit("windows.txt", "two\nthree", "2\n3")),
        keeps("windows.txt", WINDOWS.replace(b"two\r\nthree", b"2\r\n3")),
        bytes={"windows.txt": WINDOWS},
    ),
    Report(
        "openclaw/openclaw#116011",
        "An edit of one line rewrote the line endings of all others.",
        coder(shell(MORNING), edit("mixed.txt", "old", "new")),
        keeps("mixed.txt", MIXED.replace(b"old", b"new")),
        bytes={"mixed.txt": MIXED},
    ),
    Report(
        "MoonshotAI/kimi-code#3825",
        "An edit took the byte order mark away, so that old shells misread the script.",
        coder(shell(MORNING), edit("marked.ps1", "one", "two")),
        keeps("marked.ps1", BOM + b"echo two\n"),
        bytes={"marked.ps1": BOM + b"echo one\n"},
    ),
    Report(
        "github/copilot-cli#3389",
        "An edit put a byte order mark before a file that had none.",
        coder(
            shell(MORNING),
            edit("plain.md", "one", "Grüße"),
            use_editor(command="create", path="new.md", file_text="Grüße\n"),
        ),
        keeps("new.md", "Grüße\n".encode()),
        bytes={"plain.md": b"# one\r\n"},
    ),
    Report(
        "OpenHands/OpenHands#7413",
        "A file in another encoding than UTF-8 could not be read, which ended the run.",
        coder(
            shell(MORNING),
            use_editor(command="view", path="latin.txt"),
            edit("latin.txt", "one", "two"),
        ),
        keeps("latin.txt", b"caf\xe9\ntwo\n\x8f"),
        bytes={"latin.txt": b"caf\xe9\none\n\x8f"},
    ),
    Report(
        "anthropics/claude-code#20356",
        "An edit took the right to execute from a script.",
        coder(shell(MORNING), edit("run.sh", "one", "two")),
        keeps("run.sh", SCRIPT.replace(b"one", b"two"), "100755"),
        more=_make_script,
    ),
    Report(
        "OpenHands/software-agent-sdk#5096",
        "An edit through a link replaced the link and left its target as it was.",
        coder(shell(MORNING), edit("settings.txt", "False", "True")),
        _target_is_edited,
        bytes={"canonical.txt": b"enabled = False\n"},
        more=_make_link,
    ),
    Report(
        "bytedance/deer-flow#2550",
        "Of two places with the same text the first was edited, and success was told.",
        coder(shell(MORNING), edit("twice.txt", "same", "other")),
        keeps("twice.txt", TWICE),
        bytes={"twice.txt": TWICE},
    ),
    Report(
        "bojieli/ai-agent-book#178",
        "An empty text to replace put the new one between all characters.",
        coder(shell(MORNING), edit("twice.txt", "", "X")),
        keeps("twice.txt", TWICE),
        bytes={"twice.txt": TWICE},
    ),
)
