"""The folder of a run: its modes, its fence, and the changes that roles hand over."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from graph import MAX_MOVES, Base, Environment, RunFolder, Workspaces
from graph.errors import StoreDamaged
from graph.files import write_whole
from sandbox.core.protocol import Sandboxes, TreeSpec

PLAN = "plan"
"""The tree in which the checks of a run's first base are found, then its planner reads."""
_LIVE = "live"
LIVE_TREES = (_LIVE, *(f"{_LIVE}-{moved}" for moved in range(1, MAX_MOVES + 1)))
_PASSABLE = 0o711  # on the way to a live tree and to the base's objects
_PRIVATE = 0o700


class LocalWorkspaces(Workspaces):
    """Folders of runs on this machine's disk, or on a Volume.

    `on_change` is called where a run has a change that will be reviewed.
    """

    def __init__(
        self, *, runs: Path, sandboxes: Sandboxes, on_change: Callable[[], object] = lambda: None
    ) -> None:
        self._runs = runs
        self._sandboxes = sandboxes
        self._on_change = on_change

    async def open(self, run_id: str) -> None:
        await asyncio.to_thread(make_run_folder, self._runs, run_id)

    def begin_plan_tree(self, run_id: str) -> None:
        for name in PLAN_TREES:
            self._sandboxes.begin(run_id, name)

    def begin_live_tree(self, run_id: str, base: Base, environment: Environment) -> None:
        spec = TreeSpec(name=live_tree(base), base=base, environment=environment)
        self._sandboxes.begin(run_id, spec.name, spec)

    def begin_review_tree(
        self, run_id: str, base: Base, environment: Environment, step: int
    ) -> None:
        self._on_change()
        spec = TreeSpec(name=review_tree(step), base=base, environment=environment)
        self._sandboxes.begin(run_id, spec.name, spec)

    async def end_review_tree(self, run_id: str, step: int) -> None:
        await self._sandboxes.discard(run_id, review_tree(step))

    async def next_fence(self, run_id: str) -> int:
        file = RunFolder.of(self._runs, run_id).root / "fence"
        return await asyncio.to_thread(_raise_fence, file)

    async def renew(self, run_id: str, base: Base) -> None:
        await self._sandboxes.discard(run_id, live_tree(base))

    async def close(self, run_id: str, *, resumable: bool = False) -> None:
        await self._sandboxes.close_run(run_id, keep=LIVE_TREES if resumable else ())


def set_up_tree(moved: int) -> str:
    """The name of the tree in which set-up is found of a base that moved so often."""
    return f"setup-{moved}"


PLAN_TREES = (PLAN, set_up_tree(0))
"""The first trees of a run that begins with a plan."""


def review_tree(step: int) -> str:
    """The name of the tree of a reviewer's call."""
    return f"review-{step}"


def live_tree(base: Base) -> str:
    """The name of the tree that coder and fixer share: over a newer base it is another one."""
    return LIVE_TREES[base.moved]


def make_run_folder(runs: Path, run_id: str) -> None:
    """Make a run's folders with their modes, or set the modes of those that are there."""
    folder = RunFolder.of(runs, run_id)
    runs.mkdir(parents=True, exist_ok=True, mode=_PASSABLE)
    for path in (runs, folder.root, folder.trees):
        _make_folder(path, _PASSABLE)
    for path in (folder.changes, folder.checks, folder.transcripts):
        _make_folder(path, _PRIVATE)


def _make_folder(path: Path, mode: int) -> None:
    path.mkdir(exist_ok=True, mode=mode)
    path.chmod(mode)


def _raise_fence(file: Path) -> int:
    try:
        fence = int(file.read_bytes()) + 1
    except FileNotFoundError:
        fence = 1
    except ValueError as error:
        raise StoreDamaged(f"The fence of run {file.parent.name} is not a number.") from error
    write_whole(file, b"%d" % fence)
    return fence
