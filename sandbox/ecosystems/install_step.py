"""Steps of set-up: what each installs, and what is tried where it fails."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sandbox.ecosystems.project import Project

PARTLY: Final = 83
"""The exit code of a command that brought a part of what it was to, and says what is left out."""


@dataclass(frozen=True)
class InstallStep:
    """One command of set-up, which is run in the project's folder.

    `what` says in words what it installs. Where the command fails, those of `instead` are tried
    until one holds; where none does, each of `parts` is tried for itself, and what fails of them is
    left out. `needed`: without it nothing after it can hold. `builds`: it reads sources, too.
    """

    what: str
    command: str
    instead: tuple[str, ...] = ()
    parts: "tuple[InstallStep, ...]" = ()
    needed: bool = False
    builds: bool = False


@dataclass(frozen=True)
class InstallPlan:
    """The steps of a project, and what its commands then find.

    `paths` go before `PATH` for commands in the project's folder, `variables` to every command of
    the repository. `reads` are ends of paths that steps read beside manifests and lock files,
    `hosts` those that the project's files name for packages.
    """

    steps: tuple[InstallStep, ...] = ()
    paths: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


Plan = Callable[[Project], InstallPlan]
NOTHING_TO_INSTALL = InstallPlan()


def nothing_to_install(_: Project) -> InstallPlan:
    return NOTHING_TO_INSTALL


def install_where(file: str, command: str) -> Plan:
    """One command in each project that has the file."""
    plan = InstallPlan((InstallStep(f"what `{file}` names", command),))
    return lambda project: plan if project.has(file) else NOTHING_TO_INSTALL


def joined(*commands: str) -> str:
    """One command that ends at the first that fails."""
    return " && ".join(command for command in commands if command)


def is_example(folder: str) -> bool:
    """Whether a folder shows, documents or measures a project, or lies among its tests."""
    names = {"docs", "doc", "examples", "example", "benchmarks", "benchmark", "bench", "website"}
    names |= {"site", "demo", "demos", "sample", "samples", "playground", "playgrounds", "e2e"}
    *outer, own = folder.lower().split("/")
    return own in names or not {*names, "tests", "test", "__tests__"}.isdisjoint(outer)


def hosts_of(addresses: Iterable[str]) -> tuple[str, ...]:
    """The hosts of addresses, with the ports that are no common ones."""
    found = (re.match(r"https?://(?:[^/@\s]*@)?([\w.-]+(?::\d+)?)", text) for text in addresses)
    return tuple(dict.fromkeys(match[1].lower().removesuffix(":443") for match in found if match))


def first_of(commands: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The first command, and the others as what is tried instead of it."""
    first, *others = dict.fromkeys(commands)
    return first, tuple(others)
