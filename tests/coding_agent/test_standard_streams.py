"""The command in places and with streams that few shells hand over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow]
ROOT = Path(__file__).parents[2]
NO_RUNS = "No runs.\n"
FULL = "Error: The output cannot be written: No space left on device.\n"


def ended(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What came of a shell's script that calls `agent`."""
    command = f'agent() {{ "{sys.executable}" -P -m coding_agent "$@"; }}\n{script}'
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(home)}
    return subprocess.run(
        ["/bin/bash", "-c", command],
        env=environment | {"CODING_AGENT_DATA_DIR": str(home / "data")},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "code", "out", "err"),
    [
        ("agent runs <&-", 0, NO_RUNS, ""),
        ("agent runs >&-", 0, "", ""),
        ("agent runs 2>&-", 0, NO_RUNS, ""),
        ("agent runs <&- >&- 2>&-", 0, "", ""),
        ("agent runs >/dev/full", 1, "", FULL),
        ("agent --help >/dev/full", 1, "", FULL),
        ("agent --version >/dev/full 2>&-", 1, "", ""),
        ("mkdir gone && cd gone && rmdir ../gone && agent runs", 0, NO_RUNS, ""),
    ],
)
def test_closed_and_full_streams(
    tmp_path: Path, script: str, code: int, out: str, err: str
) -> None:
    done = ended(script, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)
    store = tmp_path / "data" / "runs.db"
    assert not store.exists() or store.read_bytes().startswith(b"SQLite format 3\0")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os, sys; from coding_agent.standard_streams import open_closed_streams;"
        "open_closed_streams(); print('told'); sys.stderr.write('told');"
        "assert sys.stdin.read() == ''; sys.exit(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT))"
    )
    file = tmp_path / "file"
    done = subprocess.run(
        ["/bin/bash", "-c", '"$@" <&- >&- 2>&-', "bash", sys.executable, "-c", code, str(file)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode > 2
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        ("~nosuchuser/x", "'~nosuchuser/x' is no path of this machine."),
        ("loop", "'loop' is no path of this machine."),
        ("a" * 5000, "is no path of this machine."),
        (".", "The working directory is no more: change to another one."),
    ],
)
def test_a_path_that_is_none_is_told(tmp_path: Path, repo: str, said: str) -> None:
    gone = "mkdir gone && cd gone && rmdir ../gone; " if repo == "." else ""
    script = f"ln -s loop loop; {gone}agent run x --repo '{repo}'"
    done = ended(script, tmp_path)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
