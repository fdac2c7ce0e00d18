"""A small disk of its own for a process, and what fills it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_MOUNTED = 'mount -t tmpfs -o size={size}k,mode=711 tmpfs "$1" && shift && exec "$@"'


def on_a_small_disk(folder: Path, kib: int, script: str, *words: str) -> str:
    """Run a script whose first word is a folder on a disk of its own."""
    folder.mkdir()
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    line = ["unshare", *user, "--mount", "sh", "-c", _MOUNTED.format(size=kib), "sh", str(folder)]
    done = subprocess.run(
        [*line, sys.executable, "-c", script, str(folder), *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no disk can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)) == 65536:
                pass
        except OSError:
            return
