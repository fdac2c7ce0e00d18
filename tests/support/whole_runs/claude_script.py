"""What Claude says in these tests: for each run, known by its prompt, a list of replies a role."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from demo.script.asking_role import find_role
from tests.standins.claude import HttpError, answer, calls
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, Request

Script = Mapping[str, Sequence[Answer]]

_REQUEST = re.compile(r"<request>\n(.*?)\n</request>", re.DOTALL)


class Cast:
    """Gives each reply once: one that is asked for twice is missing at the end of the script."""

    def __init__(self) -> None:
        self._left: dict[str, dict[str, list[Answer]]] = {}
        self._asked: dict[str, list[tuple[str, Request]]] = {}

        self.setup: list[Answer] = []
        """What is said to set-up turns, which know no request."""
        self.setup_asked: list[Request] = []

    def learn(self, prompt: str, script: Script) -> None:
        assert prompt not in self._left, f"two runs are asked for {prompt!r}"
        self._left[prompt] = {role: list(replies) for role, replies in script.items()}
        self._asked[prompt] = []

    def add(self, prompt: str, script: Script) -> None:
        """More replies, for a run that goes on."""
        for role, replies in script.items():
            self._left[prompt].setdefault(role, []).extend(replies)

    def asked(self, prompt: str, role: str) -> list[Request]:
        """The requests of a role of a run."""
        return [request for asking, request in self._asked[prompt] if asking == role]

    def untold(self, prompt: str) -> dict[str, int]:
        """How many replies nobody asked for."""
        return {role: len(left) for role, left in self._left[prompt].items() if left}

    async def __call__(self, request: Request) -> Answer:
        role = find_role(request)
        if role == "setup":
            self.setup_asked.append(request)
            return self.setup.pop(0) if self.setup else _unforeseen("set-up has no further reply")
        found = _REQUEST.search(text_of(request["messages"][0]["content"]))
        prompt = found[1] if found else ""
        if role is None or prompt not in self._left:
            return _unforeseen(f"nobody foresaw {prompt!r}")
        self._asked[prompt].append((role, request))
        left = self._left[prompt].get(role, [])
        return left.pop(0) if left else _unforeseen(f"the {role}'s script has no further reply")


def told(request: Request) -> str:
    """All that a request's last message says."""
    return text_of(request["messages"][-1]["content"])


def plan(*steps: str, checks: Sequence[str] = (), summary: str = "Greet as asked.") -> Answer:
    return answer(
        summary=summary,
        route="short",
        steps=list(steps or ("Change the greeting",)),
        files=["greet.py"],
        validate=list(checks),
    )


def nothing(reason: str) -> Answer:
    return answer(route="none", summary=reason)


def done(title: str = "Greet in the morning", summary: str = "The greeting says it.") -> Answer:
    """The end of a coder or fixer."""
    return answer(title=title, summary=summary)


def approve(summary: str = "It does what was asked.") -> Answer:
    return answer(verdict="approve", summary=summary, findings=[])


def object_to(message: str, path: str = "greet.py", line: int | None = 2) -> Answer:
    finding = {"severity": "error", "path": path, "line": line, "message": message}
    return answer(verdict="request_changes", summary="Not yet.", findings=[finding])


def shell(*commands: str, **more: Any) -> ScriptedReply:
    """Calls of the bash tool; `output_tokens` makes them dear."""
    return ScriptedReply(calls(*commands).content, **more)


def found(*commands: str, reason: str = "A package was missing.") -> Answer:
    """The end of a set-up turn."""
    named = [{"folder": "", "command": command} for command in commands]
    return answer(commands=named, reason=reason)


def small_change(**other: Sequence[Answer]) -> Script:
    """A run that succeeds at first try, but for the roles that say something else."""
    return {
        "planner": [plan()],
        "coder": [shell(MORNING), done()],
        "reviewer": [approve()],
        **other,
    }


MORNING: Final = "sed -i 's/Hello/Good morning/' greet.py"
BREAK: Final = "sed -i 's/{name}/{name[1:]}/' greet.py"
MEND: Final = "sed -i 's/{name\\[1:\\]}/{name}/' greet.py"


def _unforeseen(message: str) -> HttpError:
    return HttpError(400, "invalid_request_error", message)


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [block.get("text") or block.get("content") or "" for block in content]
    return "\n".join(part if isinstance(part, str) else text_of(part) for part in parts)
