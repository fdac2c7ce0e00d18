"""What the tests of this room share: real sandboxes, and a sample run over a repository."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from tests.support.sandbox.local_tree import AS_ROOT, make_backend, missing, open_tree
from tests.support.sandbox.sample_run import SampleRun, sample_run


@pytest.fixture(autouse=True)
def _needs_namespaces(request: pytest.FixtureRequest) -> None:
    """Skip where no sandbox can be made; a machine that checks changes must be able to."""
    if request.node.get_closest_marker("sandbox") and (reason := missing()):
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def own_disk(data_dir: Path) -> Iterator[Path]:
    """A data folder on a disk that nobody else writes to or frees; root alone can make one."""
    folder = data_dir / "disk"
    folder.mkdir(mode=0o711)
    if not AS_ROOT:
        yield folder
        return
    size = "size=512m,mode=0711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def run(data_dir: Path) -> SampleRun:
    """A run over a small repository."""
    return sample_run(data_dir, {"hello.txt": "hello\n", "src/app.py": "print('hello')\n"})


@pytest.fixture
def sandbox(data_dir: Path) -> BubblewrapSandbox:
    """A sandbox on an empty tree, with small limits."""
    return open_tree(make_backend(data_dir), data_dir / "tree")


@pytest.fixture(params=[True, False], ids=["groups", "polled"])
def grouped(request: pytest.FixtureRequest, data_dir: Path) -> bool:
    """With control groups, and with the poller that stands in for them."""
    wanted: bool = request.param
    if wanted and not make_backend(data_dir).groups:
        pytest.skip("no control group can be made here")
    return wanted
