"""What a public bug report says, and how it is played here as a whole run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.standins.claude import ScriptedReply, tool_use
from tests.standins.messages_api.server import Answer
from tests.support.whole_runs.claude_script import MORNING, Script, done, shell, small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run

EDITOR: Final = "str_replace_based_edit_tool"
OVER: Final = f"{MORNING}; echo over"
Holds = Callable[[Run, Hosted], object]


@dataclass(frozen=True)
class Report:
    """One report and its replay.

    `where` is `OWNER/REPO#NUMBER` on GitHub. `bytes` are files of the base beside `files`, `more`
    makes what files cannot say; `facts` are of the hosted repository, `fields` of the request.
    """

    where: str
    what: str
    script: Script
    holds: Holds
    status: str = "succeeded"
    files: Mapping[str, str] = field(default_factory=lambda: GREETER)
    bytes: Mapping[str, bytes] = field(default_factory=dict)
    more: Callable[[Path], object] = lambda _: None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def make(self, folder: Path) -> None:
        for name, content in self.bytes.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self.more(folder)


def coder(*replies: Answer, **others: Sequence[Answer]) -> Script:
    """A run whose coder says this, and then that it is done."""
    return small_change(coder=[*replies, done()], **others)


def works(*commands: str) -> Script:
    """A run whose coder gives these commands in one reply."""
    return coder(shell(*commands))


def edit(path: str, old: str, new: str) -> ScriptedReply:
    return use_editor(command="str_replace", path=path, old_str=old, new_str=new)


def use_editor(**given: Any) -> ScriptedReply:
    return ScriptedReply((tool_use(EDITOR, given),))


def content(repo: Hosted, run: Run, path: bytes) -> bytes:
    return repo.tree(run.end["branch"])[path][1]


def outputs(run: Run) -> str:
    return "".join(event["output"] for event in run.of("tool.finished"))


def keeps(path: str, expected: bytes, mode: str = "100644") -> Holds:
    """A file is so on the branch."""

    def holds(run: Run, repo: Hosted) -> None:
        assert repo.tree(run.end["branch"])[path.encode()] == (mode, expected)

    return holds


def greets(run: Run, repo: Hosted) -> None:
    """The work is in the pull request."""
    assert b"Good morning" in content(repo, run, b"greet.py")


def says(*parts: str, times: int = 1) -> Holds:
    """What commands print, and the role is told."""

    def holds(run: Run, repo: Hosted) -> None:
        for part in parts:
            assert outputs(run).count(part) == times, outputs(run)
        greets(run, repo)

    return holds


def tells(*words: str) -> Holds:
    """The pull request says one of these."""

    def holds(run: Run, repo: Hosted) -> None:
        assert any(word in repo.told for word in words), repo.pull.body

    return holds


def nothing_is_opened(run: Run, repo: Hosted) -> None:
    assert (repo.branches, repo.pulls) == ([], [])
