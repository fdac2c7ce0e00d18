"""One case from end to end: the request, what goes wrong, and what must come out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.standins.github import Fault
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import Script, small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run

NOBODY: Final[Script] = {}
PULLS: Final = "/pulls"
PUSH: Final = ".git/git-receive-pack"
CLONE: Final = ".git/git-upload-pack"
Check = Callable[[Run, Hosted], object]


def _nothing_more(run: Run, repo: Hosted) -> None:
    """What the fields say is all."""


@dataclass(frozen=True)
class Trouble:
    """A call for the repository that fails; `path_end` follows its name."""

    method: str
    path_end: str
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Case:
    """`fields` are of the request, `files`, `bytes` and `more` make the base, `facts` are of the
    hosted repository. `error` is the code of a failed run; `pull` is what became of the pull
    request."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=lambda: GREETER)
    bytes: Mapping[str, bytes] = field(default_factory=dict)
    more: Callable[[Path], object] = lambda _: None
    facts: Mapping[str, Any] = field(default_factory=dict)
    script: Script = field(default_factory=small_change)
    troubles: tuple[Trouble, ...] = ()
    status: str = "succeeded"
    reason: str | None = None
    error: str | None = None
    pull: str = "ready"
    """`ready`, `draft`, or `none`: then no branch is left either, but for `branch`."""
    retries: bool | None = False
    """Whether something was tried again, and told; None where git may do so by itself."""
    holds: Check = _nothing_more

    def make(self, folder: Path) -> None:
        for name, data in self.bytes.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        self.more(folder)


def failed(code: str, *troubles: Trouble, script: Script = NOBODY, **more: Any) -> Case:
    """A run that ends by an error and leaves nothing on the forge."""
    options: dict[str, Any] = {"pull": "none", **more}
    return Case(status="failed", error=code, script=script, troubles=troubles, **options)


def once(method: str, path_end: str, fault: Fault) -> Trouble:
    return Trouble(method, path_end, fault)


def add_branch(name: str) -> Callable[[Path], object]:
    """Another branch, with a file that only it has; the default one stays `main`."""

    def more(folder: Path) -> None:
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Begin")
        git(folder, "switch", "-qc", name)
        (folder / "only-here.txt").write_text("here\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Release")
        git(folder, "switch", "-q", "main")
        (folder / "later.txt").write_text("later\n")

    return more
