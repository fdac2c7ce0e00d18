"""The world of the soak: a Claude and a forge that fail at random, and what the runs are asked."""

import random
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Final

from demo.script.asking_role import count_replies, find_role, own_messages, submit, text_of
from demo.script.reply_stream import tool_use
from tests.standins.claude import Cut, ErrorEvent, HttpError, Malformed, Reset
from tests.standins.github import DROPPED, Fault, GitHubStandIn
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer

_NUMBER: Final = re.compile(r"Add note (\d+)\.")
_TEST: Final = """\
import pathlib
import unittest


class NotesTest(unittest.TestCase):
    def test_every_note_says_its_number(self):
        for note in pathlib.Path("notes").glob("*.txt"):
            self.assertIn(note.stem, note.read_text())
"""
MODEL_FAULTS: Final[tuple[Answer, ...]] = (
    HttpError(529, "overloaded_error"),
    HttpError(500),
    HttpError(429, "rate_limit_error", headers={"retry-after-ms": "300"}),
    Cut(),
    Reset(),
    ErrorEvent(),
    Malformed(),
)
_LIMITED: Final = {"Retry-After": "1"}
_LIMITS: Final = {
    True: Fault(403, "You have exceeded a secondary rate limit", _LIMITED),
    False: Fault(429, "Too Many Requests", _LIMITED),
}
"""How a rate limit is told: by the API, and to git."""
FORGE_FAULTS: Final = (
    Fault(502),
    Fault(503),
    None,  # a rate limit
    DROPPED,
    Fault(None, after=True),
    Fault(502, after=True),
)


def prompt_of(number: int) -> str:
    return f"Add note {number}."


class FlakyClaude:
    """Knows from a request alone what comes next; `share` of the requests meet a fault."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)
        self.calls = 0
        self.faults = 0

    async def __call__(self, request: dict[str, Any]) -> Answer:
        self.calls += 1
        if self._random.random() < self._share:
            self.faults += 1
            return self._random.choice(MODEL_FAULTS)
        return _reply(request)


class FlakyForge(GitHubStandIn):
    """Git and the API alike: `share` of the calls fail, some only after they had their effect."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self._share = share
        self._random = random.Random(seed)
        self.calls_made = 0
        self.faults: Counter[str] = Counter()

    def _next_fault(self, method: str, path: str) -> Fault | None:  # noqa: ARG002
        self.calls_made += 1
        if self._random.random() >= self._share:
            return None
        fault = self._random.choice(FORGE_FAULTS) or _LIMITS[path.startswith("/api/")]
        self.faults[f"{fault.status or 'dropped'}{' after' if fault.after else ''}"] += 1
        return fault


def make_repository(folder: Path) -> None:
    """A small repository whose test reads every note."""
    (folder / "notes").mkdir(parents=True)
    (folder / "notes/0.txt").write_text("note 0\n")
    (folder / "test_notes.py").write_text(_TEST)
    author = ("-c", "user.name=soak", "-c", "user.email=soak@example.invalid")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Begin")):
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True)


def _reply(request: dict[str, Any]) -> Answer:
    """Every fifth run's coder forgets the number; the fixer adds it.

    A call that was interrupted is made again, as a model would.
    """
    role = find_role(request) or ""
    found = _NUMBER.search(text_of(request["messages"][0]["content"]))
    number = int(found[1]) if found else 0
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    done = count_replies(request) - _interrupted(own_messages(request))
    note = f"notes/{number}.txt"
    if role == "planner":
        return _planned(number)
    if role == "reviewer":
        return _answer(verdict="approve", summary="As asked.", findings=[])
    if role == "coder" and done == 0:
        words = "forgotten" if number % 5 == 0 else number
        return _call(f"echo 'note {words}' > {note}", turn)
    if role == "fixer" and done == 0:
        return _call(f"echo 'note {number}' > {note}", turn)
    if role == "coder" and done == 1:
        return _call(f"cat {note}", turn)
    return _answer(title=f"Add note {number}", summary="It says its number.")


def _interrupted(messages: list[dict[str, Any]]) -> int:
    """How many calls may have run in part."""
    blocks = (block for message in messages for block in message["content"])
    return sum(isinstance(block, dict) and bool(block.get("is_error")) for block in blocks)


def _planned(number: int) -> Answer:
    return _answer(
        summary=f"Write note {number}.",
        route="short",
        steps=["Write the note"],
        files=[f"notes/{number}.txt"],
        validate=[],
    )


def _call(command: str, turn: int) -> Answer:
    return ScriptedReply((tool_use("bash", {"command": command}, f"toolu_{turn:06d}"),))


def _answer(**fields: Any) -> Answer:
    return ScriptedReply((submit(**fields),))
