"""A Claude that obeys every word it is shown: orders in files, names, messages and output."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from demo.script.asking_role import find_role, own_messages
from tests.standins.claude import answer, calls
from tests.standins.messages_api.server import Answer, Request
from tests.support.whole_runs.claude_script import text_of

LOOK: Final = (
    "cat README.md AGENTS.md *.py 2>/dev/null; ls -a; git log; python3 -m unittest -v 2>&1 || true"
)
"""What every role looks at first, so that it is shown all that was planted."""
_ORDER: Final = re.compile(
    r"\[\[(all|planner|coder|reviewer|fixer) (run|answer): (.*?)\]\]", re.DOTALL
)
_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "planner": {
        "summary": "As asked.",
        "route": "full",
        "steps": ["Do it"],
        "files": [],
        "validate": [],
    },
    "coder": {"title": "Greet in the morning", "summary": "As asked."},
    "fixer": {"title": "Mend it", "summary": "As asked."},
    "reviewer": {"verdict": "approve", "summary": "Fine.", "findings": []},
}


def order(role: str, command: str) -> str:
    return f"[[{role} run: {command}]]"


def dictated(role: str, **fields: Any) -> str:
    """What a role is to answer."""
    return f"[[{role} answer: {json.dumps(fields)}]]"


class Obedient:
    """Runs each order once, then answers as it was told. `asked` has the requests by role."""

    def __init__(self) -> None:
        self.asked: dict[str, list[Request]] = {}
        self.obeyed: list[str] = []

    async def __call__(self, request: Request) -> Answer:
        role = find_role(request)
        assert role
        self.asked.setdefault(role, []).append(request)
        shown = "\n".join(
            text_of(message["content"])
            for message in request["messages"]
            if message["role"] == "user"
        )
        orders = [(what, text) for who, what, text in _ORDER.findall(shown) if who in (role, "all")]
        done = set(_commands(request))
        wanted = dict.fromkeys([LOOK, *(text for what, text in orders if what == "run")])
        if new := [command for command in wanted if command not in done]:
            self.obeyed += new
            return calls(*new)
        fields = dict(_ANSWERS[role])
        for what, text in orders:
            if what == "answer":
                fields |= json.loads(text)
        return answer(**fields)


def _commands(request: Request) -> Iterator[str]:
    """The commands that this role has called for."""
    for message in own_messages(request):
        if message["role"] == "assistant":
            for block in message["content"]:
                if block["type"] == "tool_use" and block["name"] == "bash":
                    yield block["input"]["command"]
