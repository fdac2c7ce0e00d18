"""Where a repository notes its changes for users: a file, or a folder of fragments."""

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sandbox.ecosystems.any_language import FRAGMENT_FOLDERS, FRAGMENT_NAMES, UNRELEASED
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.python_needs import read_toml, table_in

_CHANGESETS: Final = ".changeset/"
_FRAGMENT: Final = re.compile(rf"((?:docs/)?(?:{FRAGMENT_FOLDERS})/)(?:{FRAGMENT_NAMES})")
_FILE: Final = re.compile(r"(?i)(?:docs/)?change(?:s|log)(?:\.\w+)?")
_FOLDER: Final = re.compile(r"(?:[\w.+-]{1,60}/){0,5}[\w.+-]{1,60}")


def find_changelog(repository: RepositoryFiles) -> str:
    """The file, or the folder with a slash at its end; empty where changes are not noted.

    A file counts where it has a part for what is not released.
    """
    if f"{_CHANGESETS}config.json" in repository.files:
        return _CHANGESETS
    if folder := _configured(repository) or _used(repository):
        return folder
    files = filter(_FILE.fullmatch, repository.marked.get(UNRELEASED, ()))
    return min(files, key=lambda path: (path.count("/"), path), default="")


def _configured(repository: RepositoryFiles) -> str:
    """The folder by the configuration of towncrier."""
    for name in ("towncrier.toml", "pyproject.toml"):
        tools = table_in(read_toml(repository.files.get(name, "")), "tool")
        if isinstance(table := tools.get("towncrier"), Mapping):
            folder = posixpath.normpath(_fragments(repository, table))
            usable = _FOLDER.fullmatch(folder) and folder.split("/")[0] not in (".", "..")
            return f"{folder}/" if usable else ""
    return ""


def _fragments(repository: RepositoryFiles, table: Mapping[str, Any]) -> str:
    """The folder as towncrier finds it: below the package where no folder is named.

    Older versions do not take the project's name for that of the package, so what is used counts.
    """
    if "directory" in table:
        return str(table["directory"])
    package = table.get("package")
    if not package:
        if used := _used(repository):
            return used
        pyproject = read_toml(repository.files.get("pyproject.toml", ""))
        package = table_in(pyproject, "project").get("name", "")
    return posixpath.join(str(table.get("package_dir", "")), str(package), "newsfragments")


def _used(repository: RepositoryFiles) -> str:
    """The folder that has fragments."""
    found = (match[1] for path in repository.files if (match := _FRAGMENT.fullmatch(path)))
    counted = Counter(found).most_common(1)
    return counted[0][0] if counted else ""
