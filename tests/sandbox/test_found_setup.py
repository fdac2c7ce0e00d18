"""The set-up that lock files ask for."""

import pytest

from sandbox.facts import Facts
from sandbox.found_setup import found_setup
from sandbox.setup_reads import needs_own

PIP = "python3 -m pip install"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ((), ()),
        (("pyproject.toml", "package.json", "go.mod", "Cargo.toml", "Gemfile"), ()),
        (("requirements.txt",), (f"{PIP} -r requirements.txt",)),
        (
            ("requirements-dev.txt", "requirements.txt"),
            (f"{PIP} -r requirements.txt -r requirements-dev.txt",),
        ),
        (("package-lock.json",), ("npm ci",)),
        (("pnpm-lock.yaml",), ("pnpm install --frozen-lockfile",)),
        (("yarn.lock",), ("yarn install --frozen-lockfile",)),
        (("yarn.lock", ".yarnrc.yml"), ("yarn install --immutable",)),
        (("go.mod", "go.sum"), ("go mod download",)),
        (("Cargo.lock",), ("cargo fetch --locked",)),
        (
            ("requirements.txt", "web/package.json", "web/package-lock.json"),
            (f"{PIP} -r requirements.txt", "cd web && npm ci"),
        ),
    ],
)
def test_what_is_locked_is_installed(files: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert found_setup(Facts(dict.fromkeys(files, ""))) == found


@pytest.mark.parametrize(("lock", "tool"), [("uv.lock", "uv"), ("poetry.lock", "poetry")])
def test_a_lock_file_of_python_wins_over_a_list(lock: str, tool: str) -> None:
    files = {"pyproject.toml": "", "requirements.txt": "", lock: ""}
    (command,) = found_setup(Facts(files))
    assert command.startswith(f"{PIP} --target /tmp/locker {tool}")
    assert not needs_own((command,), b"")
    assert command.endswith(f"{PIP} -r /tmp/locked.txt")
