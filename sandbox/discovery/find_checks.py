"""The checks that a repository's files name, found without running any of them."""

from collections.abc import Iterator
from typing import Final, Literal

from graph import Check
from sandbox.ecosystems.install_step import is_example
from sandbox.ecosystems.project import Project, RepositoryFiles
from sandbox.ecosystems.registry import ECOSYSTEMS, MANIFESTS, call_in

MOST_TESTS: Final = 40
MOST_LINTS: Final = 20
Kind = Literal["test", "lint"]


def find_checks(repository: RepositoryFiles) -> tuple[Check, ...]:
    """Commands for what the projects of the repository configure, tests before lints."""
    return (*_checks(repository, "test")[:MOST_TESTS], *_checks(repository, "lint")[:MOST_LINTS])


def own_first(repository: RepositoryFiles) -> list[Project]:
    """The projects; those that show, measure or test another one come after all others."""
    return sorted(repository.projects(MANIFESTS), key=lambda each: is_example(each.folder))


def _checks(repository: RepositoryFiles, kind: Kind) -> list[Check]:
    return [
        Check(command=command, source="repository", kind=kind, folder=project.folder)
        for project in own_first(repository)
        for command in _commands(project, kind)
    ]


def _commands(project: Project, kind: Kind) -> Iterator[str]:
    """Each, but for those that only call what is run already."""
    calls: list[str] = []
    for ecosystem in ECOSYSTEMS:
        for command in (ecosystem.tests if kind == "test" else ecosystem.lints)(project):
            recipe = ecosystem.recipe(project, command)
            if not any(call in recipe for call in calls):
                calls.append(call_in(command))
                yield command
