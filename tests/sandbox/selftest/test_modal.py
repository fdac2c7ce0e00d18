"""The attacks that `doctor --modal` tries in a Sandbox bite where there is none."""

import os
import socket
from pathlib import Path

import pytest

from sandbox.selftest.modal import modal_probes
from tests.support.sandbox.local_tree import AS_ROOT, run_outside

PROBES = {probe.name: probe for probe in modal_probes()}


def tried(name: str, folder: Path, script: str | None = None, **environment: str) -> list[str]:
    words = run_outside(script or PROBES[name].script, folder, environment).stdout.split()
    assert f"tried-{name}" in words
    return words


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
@pytest.mark.parametrize("name", ["root", "capabilities", "system", "devices"])
def test_root_outside_gets_through(tmp_path: Path, name: str) -> None:
    assert f"through-{name}" in tried(name, tmp_path)


def test_a_secret_in_an_environment_and_a_supervisor_of_the_same_user_are_found(
    tmp_path: Path,
) -> None:
    assert "through-environment" in tried("environment", tmp_path, ANTHROPIC_API_KEY="k")
    assert "through-supervisor" in tried("supervisor", tmp_path, SUPERVISOR=str(os.getpid()))


@pytest.mark.parametrize("name", ["network", "metadata", "modal"])
def test_a_place_that_answers_is_reached(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1/{server.getsockname()[1]}"
        script = PROBES[name].script
        for place in ("1.1.1.1/443", "169.254.169.254/80", "api.modal.com/443"):
            script = script.replace(place, here)
        assert f"through-{name}" in tried(name, tmp_path, script)
