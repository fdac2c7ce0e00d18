"""Six bundled tasks: repositories and the work on them, sized like six real tasks.

The six were run before with a model played by hand. Requests by role, tokens that are read, and
tokens that come out are theirs; the names of files and their contents are not.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TEST: Final = "python3 -m unittest -q"
REPRODUCE: Final = "python3 -c 'import library.part_0 as part; print(part.GOAL)'"
_BYTES: Final = 4
"""Of a token, as the stand-in reckons."""
_OTHERS: Final = 80
"""Files that nobody reads: a repository has more than a task needs."""


@dataclass(frozen=True)
class BenchTask:
    """One task. Sizes are tokens; a reply's calls go out together where the model may do so.

    `planned` are the files that a planner reads, reply by reply, `coded` those that a coder needs
    beside them. A coder needs `again` of the planner's files word by word. `tries` are the edits of
    each attempt: all but the last make the tests fail. `reviews` are the replies of each round; all
    but the last end with a finding. `said` are the words of each step of planning and coding: both
    sides say as many in all, over as many replies as they need.
    """

    name: str
    kind: str
    planned: tuple[tuple[int, ...], ...]
    coded: tuple[tuple[int, ...], ...]
    again: int
    tries: tuple[int, ...]
    edit: int
    said: int
    reviews: tuple[int, ...] = (1,)
    review_said: int = 400

    @property
    def prompt(self) -> str:
        return (
            f"GOAL of library/part_0.py should be 1 once the library is asked to {self.name}. "
            "Callers rely on its value, so the other parts have to follow where they use it. "
            "Keep the signatures, and let the tests say what holds now."
        )

    @property
    def steps(self) -> int:
        """Replies of planner and coder where each ends with a reply of its own."""
        return len(self.planned) + 1 + len(self.coded) + len(self.tries) + 1

    @property
    def sizes(self) -> list[int]:
        """Of the files `part_0.py`, `part_1.py`, …: the planner's come first."""
        return [size for reply in (*self.planned, *self.coded) for size in reply]

    @property
    def planned_batches(self) -> list[list[int]]:
        """The numbers of the files that a planner reads, reply by reply."""
        return _numbered(self.planned, 0)

    @property
    def coded_batches(self) -> list[list[int]]:
        return _numbered(self.coded, sum(map(len, self.planned)))


def _numbered(replies: tuple[tuple[int, ...], ...], first: int) -> list[list[int]]:
    batches = []
    for reply in replies:
        batches.append(list(range(first, first + len(reply))))
        first += len(reply)
    return batches


def path_of(number: int) -> str:
    return f"library/part_{number}.py"


def mark_of(number: int) -> str:
    """The first line of a file, by which one sees that it was read."""
    return f"# This is part {number} of the library."


def make_repository(folder: Path, task: BenchTask, others: int = _OTHERS) -> None:
    """A git repository of the task's files, and tests that hold while no goal is negative.

    `others` are files that nobody reads.
    """
    (folder / "library").mkdir(parents=True)
    (folder / "library/__init__.py").write_text("")
    for number, size in enumerate(task.sizes):
        (folder / path_of(number)).write_text(_source(number, size * _BYTES))
    for number in range(others):
        text = f"# Area {number} takes its goal from the library.\nAREA = {number}\n"
        place = folder / (f"other/part_{number // 100}" if others > _OTHERS else "other")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"area_{number}.py").write_text(text)
    (folder / "test_goals.py").write_text(
        "from importlib import import_module\nfrom unittest import TestCase\n\n\n"
        "class GoalTest(TestCase):\n    def test_no_goal_is_negative(self):\n"
        f"        for number in range({len(task.sizes)}):\n"
        '            part = import_module(f"library.part_{number}")\n'
        "            self.assertGreaterEqual(part.GOAL, 0)\n"
    )
    (folder / "README.md").write_text(f"# {task.name}\n\nTests: `{TEST}`\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Begin")):
        author = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
        subprocess.run(["git", *author, *words], cwd=folder, check=True)


def _source(number: int, size: int) -> str:
    """Python of about so many bytes, without signs that one side's templates write longer."""
    text = f"{mark_of(number)}\n\nGOAL = 0\n"
    count = 0
    while len(text) < size:
        text += (
            f"\n\ndef step_{number}_{count}(value, scale={count}):\n"
            f"    total = value * scale + {count * 7}\n"
            f"    for turn in range(scale):\n        total = total + turn * {number + 1}\n"
            "    return total\n"
        )
        count += 1
    return text


TASKS: Final = (
    BenchTask(
        *("count", "A easy", ((1900, 1600),), ((1100,), (900,)), 2, (2,), 120, 380),
        review_said=420,
    ),
    BenchTask(
        *("merge", "B medium", ((2300, 2100), (1700, 1400)), ((2300, 2200, 1900), (1900,))),
        *(4, (4,), 220, 700),
        review_said=900,
    ),
    BenchTask(
        *("sort", "C medium", ((2300, 2300), (2200,)), ((2300, 2300, 2300), (2200, 2300, 600))),
        *(3, (3,), 180, 600),
        review_said=700,
    ),
    BenchTask(
        *("split", "D medium", ((2200, 1800),), ((2300, 2300, 2300, 1200),), 2, (2, 2), 220, 700),
        reviews=(2,),
        review_said=600,
    ),
    BenchTask(
        *("trace", "E medium", ((2300, 2300, 2300, 1100),), ((2300,), (2300, 400)), 4, (2, 2)),
        *(200, 620),
        reviews=(2,),
        review_said=550,
    ),
    BenchTask(
        *("lock", "F hard", ((2300, 2300), (2300, 2000)), ((2300, 2300, 2300), (2300, 2300, 2300))),
        *(3, (3, 3, 3), 240, 800),
        reviews=(2, 1),
        review_said=800,
    ),
)
