"""Make: the targets that a makefile names for tests and linters, and other task runners."""

import re
from collections.abc import Iterator, Mapping

from sandbox.ecosystems.base import Ecosystem, program_versions
from sandbox.ecosystems.install_step import NOTHING_TO_INSTALL, InstallPlan, InstallStep
from sandbox.ecosystems.project import Project
from sandbox.ecosystems.python_install import plan_python

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""
_RULE = re.compile(
    r"^([^\t\n:=#][^\n:=#]*):(?!:?:?=)(.*(?:\n(?:\t.*|[ \r]*(?:#.*)?$))*)", re.MULTILINE
)
_PYTHON = re.compile(r"(?m)^\t[@ -]*+python ")
_LINK_PYTHON = (
    "command -v python || { mkdir -p ~/.local/bin"
    ' && ln -s "$(command -v python3)" ~/.local/bin/python; }'
)


def _tests(project: Project) -> Iterator[str]:
    return _first(project, "test", "check")


def _lints(project: Project) -> Iterator[str]:
    return _first(project, "lint")


def _first(project: Project, *targets: str) -> Iterator[str]:
    recipes = _recipes(project)
    yield from [f"make {target}" for target in targets if target in recipes][:1]


def make_recipe(project: Project, target: str) -> str:
    """The text of a target's rule; empty where there is none."""
    return _recipes(project).get(target, "")


def _recipe(project: Project, command: str) -> str:
    return make_recipe(project, command.removeprefix("make "))


def _recipes(project: Project) -> Mapping[str, str]:
    """The plain targets of a makefile with the text of their rules."""
    recipes: dict[str, str] = {}
    makefile = next(filter(project.has, _MAKEFILES), "")
    for targets, text in _RULE.findall(project.text(makefile)):
        for target in targets.split():
            recipes[target] = recipes.get(target, "") + text.replace("py.test", "pytest")
    return recipes


def _plan(project: Project) -> InstallPlan:
    """Python by its older name, which some systems do not have; a virtual environment has it."""
    calls = any(map(_PYTHON.search, _recipes(project).values()))
    if not calls or plan_python(project).paths:
        return NOTHING_TO_INSTALL
    return InstallPlan((InstallStep("`python`", _LINK_PYTHON),))


MAKE = Ecosystem(
    name="make",
    manifests="GNUmakefile|[Mm]akefile",
    versions=program_versions(make="make --version"),
    tests=_tests,
    lints=_lints,
    recipe=_recipe,
    test_calls=r"\bmake (?:test|check)",
    lint_calls=r"make (?:lint|format|fmt)",
    plan=_plan,
    config=r"GNUmakefile|[Mm]akefile|[^/]+\.mk|[Jj]ustfile",
)
