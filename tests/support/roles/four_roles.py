"""The four roles on a run of the tests, and what they are given and say."""

from pathlib import Path
from typing import Any, TypeVar

from graph import RetryPolicy
from graph.files import store_change
from graph.files.run_folder import RunFolder
from graph.values import (
    ChangeRef,
    Plan,
)
from roles.base import ClaudeRole
from roles.claude.client import Claude
from tests.standins.directory_sandbox import DirectorySandboxes
from tests.support.roles.role_bench import MODEL, RUN

RoleT = TypeVar("RoleT", bound=ClaudeRole)
PLAN = Plan(
    summary="Let add add.",
    route="full",
    steps=("Mend add in calc.py.", "Test it."),
    files=("calc.py",),
)
PLANNED: dict[str, Any] = {
    "summary": "Let add add.",
    "route": "short",
    "steps": ["Mend add in calc.py."],
    "files": ["calc.py"],
    "validate": ["python -m unittest", " ", "python -m unittest"],
}
CODED = {
    "title": "Let add add\nand more",
    "summary": " It subtracted. ",
    "done": True,
    "unchecked": [],
}
APPROVED: dict[str, Any] = {"verdict": "approve", "summary": "Fine.", "findings": []}
MEND = "sed -i s/-/+/ calc.py"


class Cast:
    """Makes roles that share a Claude and the run's trees."""

    def __init__(self, runs: Path, retry_policy: RetryPolicy) -> None:
        self.runs = runs
        self.sandboxes = DirectorySandboxes(runs)
        self._retry_policy = retry_policy

    def play(self, kind: type[RoleT], claude: Claude) -> RoleT:
        return kind(
            claude=claude,
            sandboxes=self.sandboxes,
            runs=self.runs,
            model=MODEL,
            retry_policy=self._retry_policy,
        )


def opening(server: Any, request: int = 0) -> str:
    return str(server.requests[request]["messages"][0]["content"][0]["text"])


def changed(runs: Path, step: int = 1) -> ChangeRef:
    """A kept change, and its diff as the trusted side would write it."""
    patch = (
        b"diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n"
        b"@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a * b\n"
    )
    diff = RunFolder.of(runs, RUN).diff(step)
    diff.parent.mkdir(exist_ok=True)
    diff.write_bytes(patch)
    return store_change(RunFolder.of(runs, RUN), step, "coder", patch)
