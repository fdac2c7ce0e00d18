"""What people wrote down of how a repository is set up and tested, read from its base."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from graph import Base
from sandbox.core.protocol import Sandbox
from sandbox.discovery.devcontainer import read_devcontainer
from sandbox.discovery.read_repository import read_repository
from sandbox.discovery.workflow import read_workflow
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.registry import may_run_tests
from sandbox.ecosystems.tox_ini import variables_of_tests

HintKind = Literal[
    "set_up_steps",
    "devcontainer_command",
    "devcontainer_image",
    "ci_install",
    "ci_test",
    "ci_service",
    "ci_variable",
    "contributing",
]
"""`set_up_steps` are those that the repository has for coding agents."""

LONGEST_HINT: Final = 2000
MOST_OF_A_KIND: Final = 20
_MOST_CI: Final = 128 << 10
"""Characters of workflows: YAML is read slowly."""
_COPILOT: Final = re.compile(r"\.github/workflows/copilot-setup-steps\.ya?ml")
_WORKFLOW: Final = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_DEVCONTAINER: Final = re.compile(
    r"\.devcontainer\.json|\.devcontainer/(?:[^/]+/)?devcontainer\.json"
)
_CONTRIBUTING: Final = re.compile(r"(?:\.github/|docs/)?CONTRIBUTING(?:\.\w{2,8})?")
_NAMED_FIRST: Final = re.compile(r"test|\bci\b|check|build|main|python|node", re.IGNORECASE)
_OTHER_WORK: Final = re.compile(
    r"publish|release|deploy|docs|nightly|downstream|stale|label|codeql|copilot-setup-steps"
)
"""Workflows that say nothing of how the project is set up and tested."""
_RUNS_NO_TESTS: Final = frozenset(
    ("cat", "cd", "cp", "curl", "echo", "git", "mkdir", "mv", "rm", "sed", "uvx", "wget")
)
_INSTALLS: Final = re.compile(
    r"\b(?:pip3?|pipx|uv|poetry|pdm|hatch|conda|mamba|npm|pnpm|yarn|bun|bundle|gem|cargo|go|deno"
    r"|apt|apt-get|apk|dnf|make|composer|mvn|gradle|corepack) (?:-\S+ )*+"
    r"(?:install|i|ci|sync|add|mod|fetch|get|deps|setup|bootstrap|init|develop|enable|venv)\b"
)
_SYSTEM: Final = re.compile(r"\b(?:apt|apt-get) (?:-\S+ )*+install\b([^\n;&|]*)")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,60}")
_FENCE: Final = re.compile(r" {0,3}```+[ \t]*(\w*)[^`]*")
_SHELLS: Final = frozenset(("bash", "console", "sh", "shell", "zsh"))


@dataclass(frozen=True)
class Hint:
    """One thing that a file of the base says; `text` is data of the repository."""

    path: str
    what: HintKind
    text: str


async def read_hints(sandbox: Sandbox, base: Base) -> tuple[Hint, ...]:
    """What a base's files say, by a tree of it. Raises SandboxError."""
    return await asyncio.to_thread(find_hints, await read_repository(sandbox, base))


def find_hints(repository: RepositoryFiles) -> tuple[Hint, ...]:
    """The most telling first, each once, `MOST_OF_A_KIND` of each kind."""
    found: dict[tuple[HintKind, str], Hint] = {}
    counts: Counter[HintKind] = Counter()
    for hint in _hints(repository.files):
        key = hint.what, hint.text
        if hint.text and key not in found and counts[hint.what] < MOST_OF_A_KIND:
            found[key] = hint
            counts[hint.what] += 1
    return tuple(found.values())


def system_packages(hints: tuple[Hint, ...]) -> tuple[str, ...]:
    """Packages of the system that the repository's own automation installs."""
    scripts = (hint.text for hint in hints if hint.what in ("set_up_steps", "ci_install"))
    lists = (words for text in scripts for words in _SYSTEM.findall(text.replace("\\\n", " ")))
    words = (word for line in lists for word in line.split())
    return tuple(dict.fromkeys(word for word in words if _PACKAGE.fullmatch(word)))


def devcontainer_images(repository: RepositoryFiles) -> Iterator[str]:
    """Images that development containers of the repository are made of."""
    for path in _named(repository.files, _DEVCONTAINER):
        yield read_devcontainer(repository.files[path]).image.strip()


def tests_of_ci(hints: tuple[Hint, ...]) -> str:
    """The steps of the repository's CI that test."""
    return "\n".join(hint.text for hint in hints if hint.what == "ci_test")


def variables_of_ci(hints: tuple[Hint, ...]) -> dict[str, str]:
    """The time zone that the repository's CI gives to tests, and where Django's settings are."""
    found: dict[str, str] = {}
    for name, _, value in (h.text.partition("=") for h in hints if h.what == "ci_variable"):
        found = {**variables_of_tests({name: value}), **found}
    return found


def _hints(files: Mapping[str, str]) -> Iterator[Hint]:
    for path in _named(files, _COPILOT):
        for job in read_workflow(files[path]):
            for script in job.scripts:
                yield Hint(path, "set_up_steps", _cut(script))
    for path in _named(files, _DEVCONTAINER):
        container = read_devcontainer(files[path])
        yield Hint(path, "devcontainer_image", container.image.strip()[:LONGEST_HINT])
        for command in container.commands:
            yield Hint(path, "devcontainer_command", _cut(command))
    size = 0
    for path in sorted(_named(files, _WORKFLOW), key=_comes_late):
        size += len(files[path])
        if size <= _MOST_CI and not _OTHER_WORK.search(path):
            yield from _of_ci(path, files[path])
    for path in _named(files, _CONTRIBUTING):
        for block in _shell_blocks(files[path]):
            yield Hint(path, "contributing", _cut(block))


def _of_ci(path: str, text: str) -> Iterator[Hint]:
    """Steps that install or test, and the services that they have."""
    for job in read_workflow(text):
        for script in map(_cut, job.scripts):
            if _INSTALLS.search(script):
                yield Hint(path, "ci_install", script)
            if any(map(_tests, script.splitlines())):
                yield Hint(path, "ci_test", script)
        for image in job.services:
            yield Hint(path, "ci_service", _cut(image))
        if any(_tests(line) for script in job.scripts for line in script.splitlines()):
            for name, value in job.variables:
                yield Hint(path, "ci_variable", _cut(f"{name}={value}"))


def _tests(line: str) -> bool:
    words = line.split(maxsplit=1)
    runs = may_run_tests(line) and not _INSTALLS.search(line)
    return runs and words[0] not in _RUNS_NO_TESTS


def _named(files: Mapping[str, str], pattern: re.Pattern[str]) -> list[str]:
    return sorted(path for path in files if files[path] and pattern.fullmatch(path))


def _comes_late(path: str) -> tuple[bool, int, str]:
    """Of `test.yml` and `test-old-versions.yml` the first."""
    return not _NAMED_FIRST.search(path.rpartition("/")[2]), len(path), path


def _cut(text: str) -> str:
    return text.strip()[:LONGEST_HINT]


def _shell_blocks(text: str) -> Iterator[str]:
    """Fenced blocks of a shell's language, without prompts and what is answered to them."""
    language, lines = None, list[str]()
    for line in text.splitlines():
        fence = _FENCE.fullmatch(line)
        if fence is None:
            lines.append(line)
            continue
        if language is not None and language in _SHELLS:
            yield _without_prompts(lines)
        language = fence[1].lower() if language is None else None
        lines = []


def _without_prompts(lines: list[str]) -> str:
    """What is typed, where a prompt stands before it."""
    typed = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]
    return "\n".join(typed or lines)
