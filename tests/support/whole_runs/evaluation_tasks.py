"""Two bundled tasks: small repositories with a history, a request, and hidden tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import Script, approve, done, plan, shell
from tests.support.whole_runs.hosted_repository import make_repository

SOLVED_LATER: Final = "solved-after-the-base"
"""In the commit after the base of each."""


@dataclass(frozen=True)
class BundledTask:
    """`script` is what the replayed Claude says. Names of tests are as unittest has them."""

    name: str
    request: str
    files: dict[str, str]
    solution: dict[str, str]
    hidden: dict[str, str]
    fail_to_pass: tuple[str, ...]
    script: Script

    def make(self, folder: Path) -> dict[str, Any]:
        """The task as a line of the file; its repository goes into `folder`."""
        repository = make_repository(folder / self.name, self.files)
        base = _head(repository)
        for name, content in {**self.solution, SOLVED_LATER: "x\n"}.items():
            (repository / name).write_text(content)
        patch = _commit(repository, "Solve it")
        for name, content in self.hidden.items():
            (repository / name).write_text(content)
        test_patch = _commit(repository, "Test it")
        return {
            "instance_id": f"bundled__{self.name}-1",
            "repo": str(repository),
            "base_commit": base,
            "problem_statement": self.request,
            "patch": patch,
            "test_patch": test_patch,
            "FAIL_TO_PASS": json.dumps(self.fail_to_pass),
            "PASS_TO_PASS": "[]",
        }


def write_tasks(folder: Path, *tasks: BundledTask) -> Path:
    """The file of tasks."""
    file = folder / "tasks.jsonl"
    lines = [json.dumps(task.make(folder)) for task in tasks]
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def _head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD").decode().strip()


def _commit(repository: Path, message: str) -> str:
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", message)
    return git(repository, "diff", "HEAD~1", "HEAD").decode()


ROUNDING: Final = BundledTask(
    name="rounding",
    request="mean() of whole numbers drops what is behind the point. It should be exact.",
    files={
        "stats.py": "def mean(values):\n    return sum(values) // len(values)\n",
        "test_stats.py": "from unittest import TestCase\n\nfrom stats import mean\n\n\n"
        "class MeanTest(TestCase):\n    def test_whole(self):\n"
        "        self.assertEqual(mean([2, 4]), 3)\n",
    },
    solution={"stats.py": "def mean(values):\n    return sum(values) / len(values)\n"},
    hidden={
        "test_stats.py": "from unittest import TestCase\n\nfrom stats import mean\n\n\n"
        "class MeanTest(TestCase):\n    def test_whole(self):\n"
        "        self.assertEqual(mean([2, 4]), 3)\n\n"
        "    def test_half(self):\n        self.assertEqual(mean([1, 2]), 1.5)\n",
    },
    fail_to_pass=("test_stats.MeanTest.test_half",),
    script={
        "planner": [plan("Divide exactly")],
        "coder": [
            shell("cat stats.py"),
            shell("sed -i 's,//,/,' stats.py"),
            done("Make mean exact", "It divides without rounding."),
        ],
        "reviewer": [approve()],
    },
)
EMPTY: Final = BundledTask(
    name="empty",
    request="initials('') fails with an IndexError. It should be an empty text; so should '  '.",
    files={
        "names.py": "def initials(name):\n"
        "    return ''.join(part[0] for part in name.split(' '))\n",
        "test_names.py": "from unittest import TestCase\n\nfrom names import initials\n\n\n"
        "class InitialsTest(TestCase):\n    def test_two(self):\n"
        "        self.assertEqual(initials('Ada Lovelace'), 'AL')\n",
    },
    solution={
        "names.py": "def initials(name):\n    return ''.join(part[0] for part in name.split())\n"
    },
    hidden={
        "test_names_blank.py": "from unittest import TestCase\n\nfrom names import initials\n\n\n"
        "class BlankTest(TestCase):\n    def test_nothing(self):\n"
        "        self.assertEqual(initials(''), '')\n\n"
        "    def test_blanks(self):\n        self.assertEqual(initials('  '), '')\n",
    },
    fail_to_pass=(
        "test_names_blank.BlankTest.test_nothing",
        "test_names_blank.BlankTest.test_blanks",
    ),
    script={
        "planner": [plan("Take care of an empty name")],
        "coder": [
            shell("sed -i '1a\\    if not name:\\n        return str()' names.py"),
            done("Take an empty name", "It returns an empty text."),
        ],
        "reviewer": [approve()],
    },
)
"""Its change forgets the blanks: claimed to be done, and wrong."""
