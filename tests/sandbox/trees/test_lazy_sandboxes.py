"""Sandboxes that were never needed here, and the trees that another process left."""

import asyncio
from pathlib import Path

import pytest

from graph.files.run_folder import RunFolder
from sandbox.core.protocol import Sandboxes
from sandbox.trees.lazy_sandboxes import LazySandboxes

RUN = "0" * 26


async def choose_none() -> Sandboxes:
    pytest.fail("nothing needs a sandbox")


async def test_what_a_killed_process_left_is_removed_without_a_sandbox(tmp_path: Path) -> None:
    trees = RunFolder.of(tmp_path, RUN).trees
    deep = trees / "validate-1" / "/".join(["d"] * 1500)
    making = await asyncio.create_subprocess_exec("mkdir", "-p", deep)  # Python would recurse
    assert await making.wait() == 0
    for name in ("live", ".new-0123", ".gone-4567"):
        (trees / name / "workspace").mkdir(parents=True)
    (trees / "live" / "workspace" / "shut").mkdir(mode=0)
    sandboxes = LazySandboxes(choose_none, runs=tmp_path)
    await sandboxes.close_run(RUN, keep=("live",))
    assert [path.name for path in trees.iterdir()] == ["live"]
    await sandboxes.close_run(RUN)
    assert list(trees.iterdir()) == []
    await sandboxes.close_run("1" * 26)
