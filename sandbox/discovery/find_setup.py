"""The set-up that a repository's manifests and lock files ask for, where nobody names another."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graph import FolderCommand, environment_of
from graph.errors import SetupFailed
from sandbox.core.protocol import Sandboxes, TreeSpec
from sandbox.discovery.repository_facts import Facts, Package

_MOST: Final = 10
_PIP: Final = "python3 -m pip install"
_REQUIREMENTS: Final = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "tests-requirements.txt",
)
_LOCKER: Final = "/tmp/locker"  # noqa: S108 - the sandbox's own
_LISTED: Final = "/tmp/locked.txt"  # noqa: S108 - the sandbox's own


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TriedSetup:
    """Commands, and what a reader should know of them."""

    setup: tuple[FolderCommand, ...] = ()
    notes: tuple[str, ...] = ()


def found_setup(facts: Facts) -> tuple[FolderCommand, ...]:
    """Commands that install what the repository has fixed, of outer folders first."""
    found = [
        FolderCommand(command=command, folder=package.folder)
        for package in facts.packages()
        for command in _commands(package)
    ]
    return tuple(found[:_MOST])


async def try_setup(
    sandboxes: Sandboxes, run_id: str, tree: TreeSpec, commands: tuple[FolderCommand, ...]
) -> TriedSetup:
    """What of it holds on the tree's base: not asked for, so that what fails is left out and told.

    What was made is kept, so that later trees do not wait for it again.
    """
    notes: list[str] = []
    while commands:
        spec = TreeSpec(
            f"setup-{len(notes)}", tree.base, None, environment_of(commands), emit=tree.emit
        )
        try:
            await sandboxes.open(run_id, spec)
        except SetupFailed as error:
            log.warning("left out of set-up: %s %s", error.message, error.hint)
            what = f"`{error.command}`" if error.command else "What lock files name"
            notes.append(f"{what} failed and is left out of set-up.")
            left = tuple(command for command in commands if command.shell != error.command)
            commands = left if len(left) < len(commands) else ()
        else:
            break
        finally:
            await sandboxes.discard(run_id, spec.name)
    return TriedSetup(commands, tuple(notes))


def _commands(package: Package) -> Iterator[str]:
    yield from _python(package)
    yield from _javascript(package)
    if package.has("go.sum"):
        yield "go mod download"
    if package.has("Cargo.lock"):
        yield "cargo fetch --locked"
    if package.has("Gemfile.lock"):
        yield "bundle config set --global path /home/agent/.bundle/gems && bundle install"


def _python(package: Package) -> Iterator[str]:
    """By pip into the home, so that `python3` finds it; lock files are turned into lists first."""
    requirements = [name for name in _REQUIREMENTS if package.has(name)]
    if package.has("uv.lock"):
        options = "--quiet --frozen --all-groups --all-extras --no-hashes --output-file"
        yield _exported("uv", "uv", options)
    elif package.has("poetry.lock"):
        options = "--quiet --all-groups --all-extras --without-hashes --output"
        yield _exported("poetry", "poetry poetry-plugin-export", options)
    elif requirements:
        yield f"{_PIP} {' '.join(f'-r {name}' for name in requirements)}"


def _exported(tool: str, packages: str, options: str) -> str:
    """The tool that wrote a lock file reads it, and is gone again before the rest is installed."""
    return (
        f"{_PIP} --target {_LOCKER} {packages}"
        f" && PYTHONPATH={_LOCKER} python3 -m {tool} export {options} {_LISTED}"
        f" && rm -r {_LOCKER} && {_PIP} -r {_LISTED}"
    )


def _javascript(package: Package) -> Iterator[str]:
    if package.has("package-lock.json", "npm-shrinkwrap.json"):
        yield "npm ci"
    elif package.has("pnpm-lock.yaml"):
        yield "pnpm install --frozen-lockfile"
    elif package.has("yarn.lock"):
        yield f"yarn install {'--immutable' if package.has('.yarnrc.yml') else '--frozen-lockfile'}"
