"""Public bug reports of systems like this one, each played as a whole run.

A row says where it was reported, what went wrong there, what the repository and the roles do here,
and what must hold at the end. The next report is one more row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.standins.claude import ScriptedReply, tool_use
from tests.standins.messages_api.server import Answer
from tests.support.whole_runs.claude_script import (
    BREAK,
    MORNING,
    done,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run

Script = Mapping[str, Sequence[Answer]]
WINDOWS: Final = b"one\r\ntwo\r\nthree\r\n"
MIXED: Final = b"10%\r20%\r\none\nold\r\nlast"


@dataclass(frozen=True)
class Report:
    """`where` is `OWNER/REPO#NUMBER`; `bytes` are files of the base beside the usual ones."""

    where: str
    what: str
    script: Script
    holds: Callable[[Run, Hosted], object]
    status: str = "succeeded"
    bytes: Mapping[str, bytes] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def make(self, folder: Path) -> None:
        for name, content in self.bytes.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    @property
    def files(self) -> Mapping[str, str]:
        return GREETER


def coder(*replies: Answer, **others: Sequence[Answer]) -> Script:
    return small_change(coder=[*replies, done()], **others)


def edit(path: str, old: str, new: str) -> ScriptedReply:
    given = {"command": "str_replace", "path": path, "old_str": old, "new_str": new}
    return ScriptedReply((tool_use("str_replace_based_edit_tool", given),))


def content(repo: Hosted, run: Run, path: bytes) -> bytes:
    return repo.tree(run.end["branch"])[path][1]


def outputs(run: Run) -> str:
    return "".join(event["output"] for event in run.of("tool.finished"))


def _input_ends(run: Run, repo: Hosted) -> None:
    assert outputs(run).count("over") == 2


def _line_endings_stay(run: Run, repo: Hosted) -> None:
    assert content(repo, run, b"windows.txt") == WINDOWS.replace(b"two\r\nthree", b"2\r\n3")


def _other_lines_stay(run: Run, repo: Hosted) -> None:
    assert content(repo, run, b"mixed.txt") == MIXED.replace(b"old", b"new")


def _nothing_is_opened(run: Run, repo: Hosted) -> None:
    assert (repo.branches, repo.pulls) == ([], [])


def _all_arrives(run: Run, repo: Hosted) -> None:
    tree = repo.tree(run.end["branch"])
    assert b"gone.txt" not in tree
    assert tree[b"new.txt"][1] == b"no newline at the end"
    assert tree[b"image.bin"][1] == bytes(range(256))


def _was_ended_early(run: Run, repo: Hosted) -> None:
    assert len(run.of("tool.started")) < 60


def _under_the_ceiling(run: Run, repo: Hosted) -> None:
    assert 0 < run.end["costUsd"] <= 0.5


def _nothing_of_tools(run: Run, repo: Hosted) -> None:
    names = {path.split(b"/")[0] for path in repo.tree(run.end["branch"])}
    assert names == {b"greet.py", b"test_greet.py"}


def _is_told(*words: str) -> Callable[[Run, Hosted], None]:
    def holds(run: Run, repo: Hosted) -> None:
        assert any(word in repo.pull.body for word in words), repo.pull.body

    return holds


REPORTS: Final = (
    Report(
        "modelscope/evalscope#1718",
        "A command read the input of the service and waited for its operator's keyboard.",
        coder(shell("cat; read -r answer; python3 -; echo over", f"{MORNING}; echo over")),
        _input_ends,
    ),
    Report(
        "anthropics/claude-code#16306",
        "Reading /dev/stdin by its name hung the agent for good.",
        coder(
            shell("cat /dev/stdin; seq 2 | cat < /dev/stdin; echo over", MORNING + "; echo over")
        ),
        _input_ends,
    ),
    Report(
        "DhananjayThomble/URL-Shortener-App#484",
        "A server that an agent started by hand held the session until its time was spent.",
        coder(
            shell(
                "python3 -m http.server 8123 & nohup setsid sleep 93 >/dev/null 2>&1 & echo over",
                f"{MORNING}; echo over",
            )
        ),
        _input_ends,
    ),
    Report(
        "langchain-ai/deepagents#2879",
        "Files with CRLF could not be edited: reading hid what the edit compared.",
        coder(shell(MORNING), edit("windows.txt", "two\nthree", "2\n3")),
        _line_endings_stay,
        bytes={"windows.txt": WINDOWS},
    ),
    Report(
        "openclaw/openclaw#116011",
        "An edit of one line rewrote the line endings of all others.",
        coder(shell(MORNING), edit("mixed.txt", "old", "new")),
        _other_lines_stay,
        bytes={"mixed.txt": MIXED},
    ),
    Report(
        "All-Hands-AI/openhands-resolver#181",
        "A run without a change ended in an error of git, told as a failed workflow.",
        coder(shell("git status --short"), reviewer=[]),
        _nothing_is_opened,
        status="no_changes",
    ),
    Report(
        "WordPress/contributor-toolkit#85",
        "Deleted, new and binary files were missing in the patch, without a word.",
        coder(
            shell(
                MORNING,
                "rm gone.txt; printf 'no newline at the end' > new.txt",
                "python3 -c \"open('image.bin','wb').write(bytes(range(256)))\"",
            )
        ),
        _all_arrives,
        bytes={"gone.txt": b"x\n"},
    ),
    Report(
        "modelscope/evalscope#1715",
        "A model that gave the same call again and again was let go on to the last step.",
        coder(*[shell("cat greet.py") for _ in range(70)], reviewer=[]),
        _was_ended_early,
        status="failed",
    ),
    Report(
        "Abilityai/trinity#1155",
        "Nothing held a loop to a sum of money before the next request was paid.",
        coder(shell(MORNING), *[shell(f"echo {n}", output_tokens=4000) for n in range(40)]),
        _under_the_ceiling,
        status="budget_exhausted",
        fields={"maxCostUsd": 0.5},
    ),
    Report(
        "entireio/external-agents#82",
        "A virtual environment of thousands of files came into the pull request.",
        coder(
            shell(
                f"{MORNING}; mkdir -p .venv/lib node_modules/a __pycache__;"
                " touch .venv/pyvenv.cfg .venv/lib/a.py node_modules/a/index.js __pycache__/a.pyc"
            ),
            done(),
        ),
        _nothing_of_tools,
    ),
    Report(
        "Alex1990/tiny-oss#75",
        "Assertions were weakened until the checks passed, and nobody was told.",
        coder(
            shell(
                MORNING, BREAK, 'sed -i "s/self.assertIn.*/self.assertTrue(True)/" test_greet.py'
            ),
        ),
        _is_told("with those of the base it fails: test_the_name_is_in_it"),
    ),
)
