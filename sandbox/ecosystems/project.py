"""A repository's files as known before anything of it is run, and the projects that they make."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_MOST_PROJECTS = 60
_NOT_OWN = frozenset(
    (
        *("node_modules", "vendor", "third_party", "testdata", "fixtures", "__fixtures__"),
        *("templates", "requirements"),
    )
)


@dataclass(frozen=True)
class RepositoryFiles:
    """The files of a repository that say how it is tested and installed."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Contents by path; of most only that they are there."""
    marked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Paths by the kind of what is in them, such as `pytest` of files that import it."""
    unread: frozenset[str] = frozenset()
    """Paths whose contents were wanted and are too large."""
    _owned: dict[tuple[str, str], defaultdict[str, list[str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def projects(self, manifests: re.Pattern[str]) -> "tuple[Project, ...]":
        """The top folder, then every folder with such a manifest, outer ones first."""
        own = filter(_is_own, self._folders(manifests) - {""})
        inner = sorted(own, key=lambda folder: (folder.count("/"), folder))
        return tuple(Project(self, folder) for folder in ("", *inner[:_MOST_PROJECTS]))

    def owned(self, manifests: re.Pattern[str], kind: str) -> Mapping[str, Sequence[str]]:
        """Paths of a kind, or all, by the folder with a manifest that they lie in innermost.

        Paths are seen from that folder; what lies in none belongs to the top.
        """
        key = manifests.pattern, kind
        if key not in self._owned:
            roots = self._folders(manifests)
            owned = self._owned[key] = defaultdict(list)
            for path in self.marked.get(kind, ()) if kind else self.files:
                root = next(filter(roots.__contains__, _parents(path)))
                owned[root].append(path.removeprefix(f"{root}/"))
        return self._owned[key]

    @cached_property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The names of the files of each folder."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.files:
            folder, _, name = path.rpartition("/")
            found[folder].append(name)
        return found

    def _folders(self, manifests: re.Pattern[str]) -> set[str]:
        """The top, and every folder with such a manifest."""
        return {path.rpartition("/")[0] for path in self.files if manifests.fullmatch(path)} | {""}


@dataclass(frozen=True)
class Project:
    """A folder of a repository, and what is known of it."""

    repository: RepositoryFiles
    folder: str = ""

    def has(self, *names: str) -> bool:
        return any(self._path(name) in self.repository.files for name in names)

    def text(self, *names: str) -> str:
        """The contents of those of its files that are there."""
        return "\n".join(self.repository.files.get(self._path(name), "") for name in names)

    @property
    def names(self) -> Sequence[str]:
        """The names of its own files, without those of inner folders."""
        return self.repository.names.get(self.folder, ())

    def owned(self, manifests: re.Pattern[str], kind: str = "") -> Sequence[str]:
        """Paths in it that lie in no project inside it, all or those of a kind, seen from it."""
        return self.repository.owned(manifests, kind).get(self.folder, ())

    def outer(self) -> "Iterator[Project]":
        """The folders that it lies in, the nearest first."""
        if self.folder:
            yield from (Project(self.repository, folder) for folder in _parents(self.folder))

    def is_part(self, manifest: str, mark: str) -> bool:
        """Whether a folder around it has a manifest that names parts: what runs there covers it."""
        return any(mark in folder.text(manifest) for folder in self.outer())

    def is_run(self, words: str) -> bool:
        """Whether a makefile beside it, or what the repository runs on a push, has these words."""
        top, workflows = Project(self.repository), Project(self.repository, ".github/workflows")
        texts = [
            self.text("Makefile"),
            top.text("Makefile", ".gitlab-ci.yml", ".pre-commit-config.yaml"),
            workflows.text(*workflows.names),
        ]
        return any(words in text for text in texts)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def _parents(path: str) -> Iterator[str]:
    """The folders that a path lies in, the nearest first; the top is the last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _is_own(folder: str) -> bool:
    """Not code of others, nor of a name that cannot be written in a command."""
    return (
        _NOT_OWN.isdisjoint(folder.split("/"))
        and folder.isprintable()
        and "\ufffd" not in folder
        and not folder.startswith("-")
    )
