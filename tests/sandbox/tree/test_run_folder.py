"""The folder of a run: modes, fence, handed-over changes."""

import os
import stat
from pathlib import Path

import pytest

from graph.errors import StoreDamaged
from graph.files import load_change, store_change
from graph.files.run_folder import RunFolder
from graph.values import ChangeRef
from sandbox.core.protocol import Sandbox, Sandboxes, SetUpReport, TreeSpec
from sandbox.tree.run_folder import LocalWorkspaces
from sandbox.trees.local_trees import LocalSandboxes
from tests.support.sandbox.sample_run import RUN, SampleRun


class NoSandboxes(Sandboxes):
    """Knows of no tree, and remembers what it was told to keep."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, ...]] = []

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        raise AssertionError(f"nobody opens {run_id} {spec.name} here")

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        raise AssertionError(f"nobody sets {run_id} {spec.name} up here")

    async def discard(self, run_id: str, name: str) -> None:
        raise AssertionError(f"nobody discards {run_id} {name} here")

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        self.kept.append((run_id, *keep))


@pytest.fixture
def workspaces(tmp_path: Path) -> LocalWorkspaces:
    return LocalWorkspaces(runs=tmp_path / "data" / "runs", sandboxes=NoSandboxes())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_folders_on_the_way_to_a_tree_can_be_passed(
    workspaces: LocalWorkspaces, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        await workspaces.open(RUN)
    finally:
        os.umask(before)
    folder = RunFolder.of(tmp_path / "data" / "runs", RUN)
    for path in (folder.root.parent, folder.root, folder.trees):
        assert mode(path) == 0o711
    for path in (folder.changes, folder.checks):
        assert mode(path) == 0o700


async def test_opening_again_corrects_modes_and_keeps_what_is_there(
    workspaces: LocalWorkspaces, tmp_path: Path
) -> None:
    await workspaces.open(RUN)
    folder = RunFolder.of(tmp_path / "data" / "runs", RUN)
    (folder.changes / "0001-coder.patch").touch()
    folder.root.chmod(0o700)
    await workspaces.open(RUN)
    assert mode(folder.root) == 0o711
    assert (folder.changes / "0001-coder.patch").exists()


async def test_the_fence_rises_over_restarts(workspaces: LocalWorkspaces, tmp_path: Path) -> None:
    await workspaces.open(RUN)
    await workspaces.open("run2")
    assert [await workspaces.next_fence(RUN) for _ in range(3)] == [1, 2, 3]
    later = LocalWorkspaces(runs=tmp_path / "data" / "runs", sandboxes=NoSandboxes())
    assert await later.next_fence(RUN) == 4
    assert await later.next_fence("run2") == 1
    fence = RunFolder.of(tmp_path / "data" / "runs", RUN).root / "fence"
    assert mode(fence) == 0o600
    assert [path.name for path in fence.parent.iterdir() if path.is_file()] == ["fence"]


async def test_a_damaged_fence_is_not_begun_anew(
    workspaces: LocalWorkspaces, tmp_path: Path
) -> None:
    await workspaces.open(RUN)
    fence = RunFolder.of(tmp_path / "data" / "runs", RUN).root / "fence"
    fence.write_bytes(b"\0\0")
    with pytest.raises(StoreDamaged, match=RUN):
        await workspaces.next_fence(RUN)
    assert fence.read_bytes() == b"\0\0"


@pytest.mark.parametrize(
    ("resumable", "kept"), [(False, (RUN,)), (True, (RUN, "live", "live-1", "live-2"))]
)
async def test_closing_keeps_the_live_tree_of_a_resumable_run(
    tmp_path: Path, resumable: bool, kept: tuple[str, ...]
) -> None:
    sandboxes = NoSandboxes()
    workspaces = LocalWorkspaces(runs=tmp_path, sandboxes=sandboxes)
    await workspaces.close(RUN, resumable=resumable)
    assert sandboxes.kept == [kept]


@pytest.mark.sandbox
async def test_closing_removes_trees_and_keeps_what_is_durable(run: SampleRun) -> None:
    change = await run.make_change("echo new > new")
    await run.open("plan")
    await run.open("live")
    await run.workspaces.close(RUN, resumable=True)
    assert run.trees() == ["live"]
    await run.workspaces.close(RUN)
    assert run.trees() == []
    assert isinstance(run.sandboxes, LocalSandboxes)
    assert b"new" in load_change(RunFolder.of(run.runs, RUN), change)
    assert run.folder.base_git.is_dir()


@pytest.mark.sandbox
async def test_a_renewed_tree_has_the_newest_change_and_what_is_set_up_by_then(
    run: SampleRun,
) -> None:
    before = await run.open("live")
    await before.run("echo lost > of-no-change")
    change = await run.make_change("echo kept > of-the-change")
    await run.workspaces.renew(RUN, run.base)
    after = await run.open("live", change, "echo made > by-set-up")
    result = await after.run("cat of-the-change by-set-up; ls of-no-change")
    assert result.text.startswith("kept\nmade\n")
    assert result.exit_code == 2


@pytest.mark.parametrize("patch", [b"", b"\0\xff" * 1000, b"diff --git a/a b/a\n"])
async def test_a_change_is_kept_whole_and_named_by_its_digest(
    workspaces: LocalWorkspaces, tmp_path: Path, patch: bytes
) -> None:
    runs = tmp_path / "data" / "runs"
    await workspaces.open(RUN)
    ref = store_change(RunFolder.of(runs, RUN), 2, "fixer", patch)
    assert ref.digest.startswith("sha256:")
    assert load_change(RunFolder.of(runs, RUN), ref) == patch
    (file,) = (runs / RUN / "changes").iterdir()
    assert file.name == "0002-fixer.patch"
    assert mode(file) == 0o600


async def test_the_same_step_again_replaces_the_change(
    workspaces: LocalWorkspaces, tmp_path: Path
) -> None:
    runs = tmp_path / "data" / "runs"
    await workspaces.open(RUN)
    first = store_change(RunFolder.of(runs, RUN), 1, "coder", b"first")
    second = store_change(RunFolder.of(runs, RUN), 1, "coder", b"second")
    assert load_change(RunFolder.of(runs, RUN), second) == b"second"
    with pytest.raises(StoreDamaged, match=first.digest):
        load_change(RunFolder.of(runs, RUN), first)


async def test_a_missing_change_is_told(workspaces: LocalWorkspaces, tmp_path: Path) -> None:
    await workspaces.open(RUN)
    ref = ChangeRef(step=1, role="coder", digest="sha256:00")
    with pytest.raises(StoreDamaged, match=r"0001-coder\.patch"):
        load_change(RunFolder.of(tmp_path / "data" / "runs", RUN), ref)
