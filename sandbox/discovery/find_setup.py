"""The set-up that a repository's manifests and lock files ask for, where nobody names another."""

import logging
from dataclasses import dataclass
from typing import Final

from graph import FolderCommand, environment_of
from graph.errors import SetupFailed
from sandbox.core.protocol import Sandboxes, TreeSpec
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.registry import ECOSYSTEMS, MANIFESTS

_MOST: Final = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TriedSetup:
    """Commands, and what a reader should know of them."""

    setup: tuple[FolderCommand, ...] = ()
    notes: tuple[str, ...] = ()


def find_setup(repository: RepositoryFiles) -> tuple[FolderCommand, ...]:
    """Commands that install what the repository has fixed, of outer folders first."""
    found = [
        FolderCommand(command=command, folder=project.folder)
        for project in repository.projects(MANIFESTS)
        for ecosystem in ECOSYSTEMS
        for command in ecosystem.install(project)
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
