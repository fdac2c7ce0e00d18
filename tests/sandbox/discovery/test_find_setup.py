"""The set-up that lock files ask for."""

from collections.abc import Sequence
from typing import cast

import pytest

from graph.errors import SetupFailed
from graph.values import Base, commands_of
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.discovery.find_setup import find_setup, try_setup
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.setup.invalidation import needs_own
from tests.support.sandbox.listed_files import listed

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
    repository = listed(dict.fromkeys(files, ""))
    assert find_setup(repository) == commands_of(found)


@pytest.mark.parametrize(("lock", "tool"), [("uv.lock", "uv"), ("poetry.lock", "poetry")])
def test_a_lock_file_of_python_wins_over_a_list(lock: str, tool: str) -> None:
    files = {"pyproject.toml": "", "requirements.txt": "", lock: ""}
    (command,) = find_setup(RepositoryFiles(files))
    assert command.command.startswith(f"{PIP} --target /tmp/locker {tool}")
    assert not needs_own((command,), b"")
    assert command.command.endswith(f"{PIP} -r /tmp/locked.txt")


class Failing(Sandboxes):
    """Sandboxes in which some commands of set-up fail."""

    def __init__(self, bad: Sequence[str], *, named: bool = True) -> None:
        self.trees: list[str] = []
        self._bad = bad
        self._named = named

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        self.trees.append(spec.name)
        for command in spec.setup:
            if command.shell in self._bad:
                raise SetupFailed("It failed.", command=command.shell if self._named else "")
        return cast("Sandbox", None)

    async def discard(self, run_id: str, name: str) -> None:
        self.trees.remove(name)

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        raise NotImplementedError


BASE = Base(address="/a", full_name="a/b", branch="main", sha="0" * 40, tree="1" * 40)


@pytest.mark.parametrize(
    ("bad", "left"), [((), ("a", "b", "c")), (("b",), ("a", "c")), (("a", "b", "c"), ())]
)
async def test_what_fails_of_it_is_left_out_and_told(
    bad: tuple[str, ...], left: tuple[str, ...]
) -> None:
    sandboxes = Failing(bad)
    tried = await try_setup(sandboxes, "run", TreeSpec("plan", BASE), commands_of("abc"))
    assert tried.setup == commands_of(left)
    assert tried.notes == tuple(f"`{command}` failed and is left out of set-up." for command in bad)
    assert sandboxes.trees == []


async def test_a_failure_that_names_no_command_leaves_all_out() -> None:
    spec = TreeSpec("plan", BASE)
    tried = await try_setup(Failing(["a"], named=False), "run", spec, commands_of("ab"))
    assert (tried.setup, len(tried.notes)) == ((), 1)
