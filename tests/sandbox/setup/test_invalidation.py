"""Whether a change needs a set-up of its own."""

import pytest

from sandbox.setup.invalidation import needs_own
from tests.support.graph.environments import environment_of

INSTALL = "python3 -m pip install -r requirements.txt"


def patch(*paths: str) -> bytes:
    return "".join(f"diff --git a/{p} b/{p}\n--- a/{p}\n+++ b/{p}\n" for p in paths).encode()


CODE = patch("src/app.py", "tests/test_app.py", "README.md", "setup.md", "tests/data/requirements")


@pytest.mark.parametrize(
    "command",
    [
        INSTALL,
        "pip install -e . -r requirements-dev.txt",
        "pip3 install -e '.[test]' pytest>=8",
        "python3 -m venv .venv && .venv/bin/pip install tiny",
        "/usr/bin/python3 -m pip install tiny",
        "deno install --frozen",
        "npm ci",
        "npm ci --no-audit",
        "yarn",
        "pnpm install --frozen-lockfile",
        "cargo fetch --locked",
        "go mod download && npm install",
        "cd sub && npm ci",
        "cd 'my sub' && cd deep && pip install -r requirements.txt",
    ],
)
def test_installing_reads_manifests_alone(command: str) -> None:
    assert needs_own(environment_of((command,)), CODE) == (">" in command)
    assert needs_own(environment_of((INSTALL, command)), patch("package.json", "pyproject.toml"))


@pytest.mark.parametrize(
    "command",
    ["make", "npm run build", "pip install .", "pip install ./lib", "pip install .[test]",
     "npm ci && npm run build", "npm ci; make", "pip install $(cat x)", "cd $(x) && npm ci",
     "./tools/pip install x", "tools/python3 -m pip install x", ".venv/bin/pip install x",
     "cd sub && python3 -m venv v && cd .. && v/bin/pip install x", "pip install -e . .",
     "./setup.sh", "pip install 'tiny", "pip install -r requirements.txt | tee log"],
)  # fmt: skip
def test_any_other_command_may_read_every_file(command: str) -> None:
    assert needs_own(environment_of((INSTALL, command)), CODE)


@pytest.mark.parametrize(
    "path",
    ["requirements.txt", "sub/requirements-dev.txt", "pyproject.toml", "uv.lock", "package.json",
     "web/package-lock.json", "go.sum", "Cargo.lock", "Gemfile", "setup.py", ".npmrc",
     '"requirements\\056txt"'],
)  # fmt: skip
def test_a_manifest_or_lock_file_that_is_touched_asks_for_its_own(path: str) -> None:
    assert needs_own(environment_of((INSTALL,)), CODE + patch(path))


def test_a_file_that_a_command_names_is_read_too() -> None:
    assert needs_own(environment_of(("pip install -r deps.list",)), patch("deps.list"))
    assert not needs_own(environment_of(("pip install -r deps.list",)), patch("other.list"))
