"""The files of the ways in name what is there: Dockerfile, compose.yaml, action.yml."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.backends.bubblewrap.remedies import CONTAINER, PROFILE
from wiring.settings import Settings

ROOT: Final = Path(__file__).parents[1]
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: Final = (ROOT / "scripts/github-action").read_text()
CREDENTIALS: Final = {"ANTHROPIC_API_KEY", "GITHUB_TOKEN", "GITHUB_API_URL"}


def test_the_image_is_built_of_all_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {name.rstrip("*") for name in project["packages"]["find"]["include"]}
    modules = {f"{name}.py" for name in project["py-modules"]}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[0] == "*"
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    files = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "bin"}
    assert let_in == packages | modules | files


def test_compose_gives_what_bubblewrap_needs_and_settings_that_exist() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["coding-agent"]
    assert all(f"--security-opt {option}" in CONTAINER for option in service["security_opt"])
    assert {"CHOWN", "SETGID", "SETUID"} <= set(service["cap_add"])
    known = {f"CODING_AGENT_{name.upper()}" for name in Settings.model_fields} | CREDENTIALS
    assert set(service["environment"]) <= known


def test_every_input_of_the_action_reaches_its_step() -> None:
    step = ACTION["runs"]["steps"][-1]
    handed = set(re.findall(r"inputs\.([a-z-]+)", str(step["env"])))
    assert handed == set(ACTION["inputs"])
    read = set(re.findall(r"INPUT_[A-Z_]+[A-Z]", STEPS))
    assert read == set(step["env"]) - CREDENTIALS


def test_every_output_of_the_action_is_told_by_its_step() -> None:
    told = set(re.findall(r'"([a-z]+)=\\\(', STEPS))
    assert told == set(ACTION["outputs"])
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def test_the_action_loads_the_profile_that_is_shipped() -> None:
    assert str(PROFILE.relative_to(ROOT)) in STEPS
