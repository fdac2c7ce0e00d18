"""What is known of a repository before anything of it is run: its manifests and its packages."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

OWN_SETTINGS: Final = ".coding-agent.toml"

_MOST_PACKAGES = 60
_PYTHON = r"pyproject\.toml|setup\.(cfg|py)|tox\.(ini|toml)|noxfile\.py|\.?pytest\.ini"
_PYTHON_MANIFEST = re.compile(_PYTHON)
_MANIFEST = re.compile(
    rf"{_PYTHON}|package\.json|GNUmakefile|[Mm]akefile|Cargo\.toml|go\.mod|pom\.xml"
    r"|(build|settings)\.gradle(\.kts)?|Gemfile|Rakefile|[^/]*\.gemspec|\.rspec"
)
_NOT_OWN = frozenset(
    ("node_modules", "vendor", "third_party", "testdata", "fixtures", "__fixtures__", "templates")
)


@dataclass(frozen=True)
class PythonFiles:
    """Python files of a package, by their paths seen from it."""

    structure: tuple[str, ...] = ()
    """`__init__.py` and `conftest.py` wherever they are, and modules in `src`."""
    pytest: tuple[str, ...] = ()
    """Files that import pytest."""
    unittest: tuple[str, ...] = ()
    """Files that name unittest's `TestCase`."""


@dataclass(frozen=True)
class Facts:
    """Paths of a repository, with contents; those of Python tests by what they import."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Contents by path; of most only that they are there."""
    pytest: tuple[str, ...] = ()
    unittest: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    """Paths whose contents were wanted and are too large."""

    def packages(self) -> "tuple[Package, ...]":
        """The top folder, then every folder with a manifest, outer ones first."""
        folders = {folder_of(path) for path in self.files if _is_named(_MANIFEST, path)} - {""}
        own = sorted(filter(_is_own, folders), key=lambda folder: (folder.count("/"), folder))
        return tuple(Package(self, folder) for folder in ("", *own[:_MOST_PACKAGES]))

    @cached_property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the files of each folder."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.files:
            folder, _, name = path.rpartition("/")
            found[folder].append(name)
        return {folder: tuple(names) for folder, names in found.items()}

    @cached_property
    def python(self) -> Mapping[str, PythonFiles]:
        """By the folder with a Python manifest, or the top, that they lie in innermost."""
        roots = {folder_of(path) for path in self.files if _is_named(_PYTHON_MANIFEST, path)} | {""}
        structure = _by_root(roots, (path for path in self.files if path.endswith(".py")))
        pytest, unittest = _by_root(roots, self.pytest), _by_root(roots, self.unittest)
        return {
            root: PythonFiles(tuple(structure[root]), tuple(pytest[root]), tuple(unittest[root]))
            for root in roots
        }


@dataclass(frozen=True)
class Package:
    """A folder of a repository, and what is known of it."""

    facts: Facts
    folder: str = ""

    def has(self, *names: str) -> bool:
        return any(self._path(name) in self.facts.files for name in names)

    def text(self, *names: str) -> str:
        """The contents of those of its files that are there."""
        return "\n".join(self.facts.files.get(self._path(name), "") for name in names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its own files, without those of inner folders."""
        return self.facts.names.get(self.folder, ())

    def outer(self) -> "Iterator[Package]":
        """The folders that it lies in, the nearest first."""
        if self.folder:
            yield from (Package(self.facts, folder) for folder in _folders(self.folder))

    @property
    def python(self) -> PythonFiles:
        return self.facts.python.get(self.folder, PythonFiles())

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in, the nearest first; the top is the last."""
    while path:
        path = folder_of(path)
        yield path


def _by_root(roots: set[str], paths: Iterable[str]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        root = next(folder for folder in _folders(path) if folder in roots)
        found[root].append(path[len(root) + 1 :] if root else path)
    return found


def _is_named(pattern: re.Pattern[str], path: str) -> bool:
    return pattern.fullmatch(path.rpartition("/")[2]) is not None


def _is_own(folder: str) -> bool:
    """Not code of others, nor of a name that cannot be written in a command."""
    return (
        _NOT_OWN.isdisjoint(folder.split("/"))
        and folder.isprintable()
        and "\ufffd" not in folder
        and not folder.startswith("-")
    )
