"""A real pytest inside real sandboxes."""

import importlib.metadata
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.tree.environment import SYSTEM_PATH


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    """The pytest that runs this test, for the sandbox, in a folder that it does not have."""
    root = Path(tempfile.mkdtemp(prefix="tools-", dir="/var/tmp"))
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        for file in importlib.metadata.files(name) or ():
            target = root / file
            if target.is_relative_to(root) and ".." not in file.parts and file.suffix != ".pyc":
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    compiling = {"PATH": SYSTEM_PATH, "PYTHONPATH": str(root)}  # which each run would do anew
    subprocess.run(["python3", "-m", "pytest", "--version"], check=True, env=compiling)
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def install(tools: Path) -> str:
    """How set-up would have it: among the user's own packages."""
    return f'd=$(python3 -m site --user-site); mkdir -p "${{d%/*}}"; ln -sfn {tools} "$d"'
