"""The programs that are sent into a container, by the Python that an image may have."""

import ast
import inspect
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.container import fork_server, supervisor
from sandbox.backends.container.wire import exec_request
from sandbox.core.protocol import Limits
from sandbox.host import resource_usage

OLDEST = (3, 9)


@pytest.mark.parametrize("module", [resource_usage, supervisor, fork_server])
def test_it_is_written_for_python_3_9(module: object) -> None:
    """Annotations are not evaluated there, and nothing else is newer."""
    source = inspect.getsource(module)  # type: ignore[arg-type]
    tree = ast.parse(source, feature_version=OLDEST)
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert futures[0].module == "__future__"
    assert "strict=" not in source


def test_it_runs_by_it(tmp_path: Path) -> None:
    python = next(filter(None, map(_program, ("python3.9", "python3.10"))), None)
    if python is None:
        pytest.skip("no Python 3.9 or 3.10 is here")
    request = exec_request(["/bin/sh", "-c", "cat; exit 3"], Limits(timeout_s=20, disk_mb=1))
    request = replace(
        request, user=None, folder=str(tmp_path), folders=(str(tmp_path),), input_bytes=5
    )
    with subprocess.Popen(
        [python, *request.argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        process.stdin.write(request.stdin_preamble + b"given")
        process.stdin.flush()
        assert process.stdout
        assert process.stderr
        assert process.stdout.read() == b"given"
        assert json.loads(process.stderr.read().splitlines()[-1])["exit_code"] == 3
        process.stdin.close()


def _program(name: str) -> str | None:
    """A program of that name, where it starts: one may stand for versions that are not chosen."""
    path = shutil.which(name)
    if path is None:
        return None
    started = subprocess.run([path, "--version"], capture_output=True, check=False)
    return path if started.returncode == 0 else None
