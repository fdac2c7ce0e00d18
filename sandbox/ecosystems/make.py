"""Make: the targets that a makefile names for tests and linters, and other task runners."""

import re
from collections.abc import Iterator, Mapping

from sandbox.ecosystems.base import Ecosystem, program_versions
from sandbox.ecosystems.project import Project

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""
_RULE = re.compile(
    r"^([^\t\n:=#][^\n:=#]*):(?!:?:?=)(.*(?:\n(?:\t.*|[ \r]*(?:#.*)?$))*)", re.MULTILINE
)


def _tests(project: Project) -> Iterator[str]:
    return _first(project, "test", "check")


def _lints(project: Project) -> Iterator[str]:
    return _first(project, "lint")


def _first(project: Project, *targets: str) -> Iterator[str]:
    recipes = _recipes(project)
    yield from [f"make {target}" for target in targets if target in recipes][:1]


def _recipe(project: Project, command: str) -> str:
    return _recipes(project).get(command.removeprefix("make "), "")


def _recipes(project: Project) -> Mapping[str, str]:
    """The plain targets of a makefile with the text of their rules."""
    recipes: dict[str, str] = {}
    makefile = next(filter(project.has, _MAKEFILES), "")
    for targets, text in _RULE.findall(project.text(makefile)):
        for target in targets.split():
            recipes[target] = recipes.get(target, "") + text.replace("py.test", "pytest")
    return recipes


MAKE = Ecosystem(
    name="make",
    manifests="GNUmakefile|[Mm]akefile",
    versions=program_versions(make="make --version"),
    tests=_tests,
    lints=_lints,
    recipe=_recipe,
    test_calls=r"\bmake (?:test|check)",
    lint_calls=r"make (?:lint|format|fmt)",
    config=r"GNUmakefile|[Mm]akefile|[^/]+\.mk|[Jj]ustfile",
)
