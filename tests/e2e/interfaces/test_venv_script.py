"""`scripts/venv`: what it tells while pip works, and how it ends. pip is a stand-in."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
COLLECTING = "\n".join(f"echo 'Collecting package-{number}==1'" for number in range(1, 28))


def run(folder: Path, pip: str) -> subprocess.CompletedProcess[str]:
    """The script with an environment whose Python does what `pip` says."""
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{pip}\n")
    python.chmod(0o755)
    line = ["sh", "scripts/venv", sys.executable, str(folder)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_tells_how_far_pip_is(tmp_path: Path) -> None:
    more = "echo '  Using cached x'; echo 'Installing collected packages: package-1'"
    ended = run(tmp_path, f"{COLLECTING}\n{more}")
    pins = sum("==" in line for line in (ROOT / "constraints.txt").read_text().splitlines())
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1:] == [
        f"  {number} of about {pins} packages: {what}"
        for number, what in (
            (1, "package-1==1"),
            (26, "package-26==1"),
            (27, "installing them"),
        )
    ]


@pytest.mark.parametrize("code", [1, 7])
def test_it_fails_as_pip_does_with_its_words(code: int, tmp_path: Path) -> None:
    ended = run(tmp_path, f"echo Collecting x; echo 'ERROR: no wheel' >&2; exit {code}")
    assert (ended.returncode, ended.stderr) == (code, "ERROR: no wheel\n")
