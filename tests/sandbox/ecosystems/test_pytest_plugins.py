"""Plugins that the newest pytest cannot load: an older one is taken."""

import subprocess
from pathlib import Path

import pytest

from sandbox.discovery.find_setup import plan_setup
from sandbox.ecosystems.install_step import InstallStep
from sandbox.ecosystems.python_install import VENVS
from tests.support.sandbox.listed_files import listed

# A pytest whose plugins load where its version is at most what `loads` says.
PYTHON = """\
#!/bin/sh
here=$(dirname "$0")
case "$*" in
  "-c import pytest") test -e "$here/version" ;;
  "-m pytest --help") test "$(cat "$here/version")" -le "$(cat "$here/loads")" ;;
  *) exit 9 ;;
esac
"""
UV = """\
#!/bin/sh
for word; do :; done
echo "${word#pytest<}" | awk '{print $1 - 1}' >"$(dirname "$0")/version"
"""


def step_of(files: dict[str, str]) -> InstallStep:
    (found,) = [
        each.step
        for each in plan_setup(listed(files)).steps
        if each.step.what == "a pytest that loads its plugins"
    ]
    return found


@pytest.mark.parametrize(
    ("version", "loads", "held", "left"),
    [(9, 9, 0, 9), (9, 8, 1, 8), (9, 7, 2, 7), (9, 6, None, 7), (None, 9, 0, None)],
)
def test_an_older_pytest_is_taken_where_plugins_do_not_load(
    tmp_path: Path, version: int | None, loads: int, held: int | None, left: int | None
) -> None:
    programs = tmp_path / "root" / "bin"
    programs.mkdir(parents=True)
    for name, script in (("python", PYTHON), ("uv", UV)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (programs / "loads").write_text(str(loads))
    if version:
        (programs / "version").write_text(f"{version}\n")
    step = step_of({"pyproject.toml": "[tool.pytest.ini_options]\n"})
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    commands = [each.replace(VENVS, str(tmp_path)) for each in (step.command, *step.instead)]
    ended = (
        subprocess.run(["bash", "-c", each], cwd=tmp_path, env=environment, check=False).returncode
        for each in commands
    )
    assert next((at for at, code in enumerate(ended) if code == 0), None) == held
    now = programs / "version"
    assert (int(now.read_text()) if now.exists() else None) == left


def test_a_project_without_pytest_has_no_such_step() -> None:
    files = {"setup.py": "", "tox.ini": "[testenv]\ncommands = ./run\n"}
    whats = [each.step.what for each in plan_setup(listed(files)).steps]
    assert "a pytest that loads its plugins" not in whats
