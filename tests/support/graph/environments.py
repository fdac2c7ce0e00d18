"""Environments of set-up commands alone."""

from collections.abc import Iterable

from graph.environment import Environment, EnvironmentCommand
from graph.values import FolderCommand, commands_of


def environment_of(commands: Iterable[FolderCommand | str]) -> Environment:
    """An environment that these commands make."""
    return Environment(
        commands=tuple(
            EnvironmentCommand(command=made.command, folder=made.folder, source="caller")
            for made in commands_of(commands)
        )
    )
