"""What makes a finished change one that a reader should look at twice, and so a draft."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from graph.values import Change, ChangedFile, Plan

LARGE: Final = 500
"""Changed lines."""
_SHOWN: Final = 5
_LONGEST: Final = 1_000
_LINES: Final = re.compile(r"`?:\d+(?:-\d+)?$")
_IN_FOLDER: Final = re.compile(r"[^*?\[/]+/")
"""A glob of a plan counts below a folder: one such as `*` would name everything."""
_MADE: Final = re.compile(
    r"(?:.*/)?(?:[^/]*\.lock|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum)"
)
_COMPANION: Final = re.compile(
    r"(?i)(?:.*/)?(?:"
    r"(?:tests?|__tests__|specs?|docs?|\.changeset)/.*"
    r"|(?:changelog(?:\.d)?|\.?changes|news(?:fragments)?)/[^/]*\.(?:md|rst|txt|feature|bugfix"
    r"|doc|removal|misc)(?:\.\d+)?"
    r"|(?:changelog|changes|news|history|readme)(?:\.(?:md|rst|txt|adoc))?"
    r"|tests?\.\w+|test_[^/]*|[^/]*(?:_test|\.test|_spec|\.spec)\.\w+|conftest\.py|__init__\.py)"
)
"""What goes with a change wherever it is made: tests, documents, notes of the release."""


def cautions_of(plan: Plan | None, change: Change) -> tuple[str, ...]:
    """A sentence for each; files that tools make are not counted."""
    files = [file for file in change.files if not _MADE.fullmatch(file.path)]
    cautions = []
    lines = sum(file.added + file.removed for file in files)
    if lines > LARGE:
        cautions.append(f"The change is large: {lines} changed lines.")
    if outside := _outside(plan, files):
        more = f" and {len(outside) - _SHOWN} more" if len(outside) > _SHOWN else ""
        names = ", ".join(f"`{path}`" for path in outside[:_SHOWN])
        cautions.append(f"The plan does not name {names}{more}.")
    return tuple(cautions)


def _outside(plan: Plan | None, files: Sequence[ChangedFile]) -> list[str]:
    """Changed paths that are neither in the plan nor go with every change."""
    planned = [name for name in map(_path_of, plan.files) if name] if plan else []
    if not planned:
        return []
    return [
        file.path
        for file in files
        if not _COMPANION.fullmatch(file.path)
        and not any(_is_planned(file.path, name) for name in planned)
    ]


def _path_of(entry: str) -> str:
    """The path of an entry such as "./src/cli/", "`app.py`:10-20" or "app.py (new)"."""
    word = next(iter(entry[:_LONGEST].split()), "")
    return _LINES.sub("", word.strip("`'\",")).strip("`").removeprefix("./").rstrip("/")


def _is_planned(path: str, name: str) -> bool:
    """Whether a path is the one that is named, lies below it, or fits it as a glob."""
    if path == name or path.startswith(f"{name}/"):
        return True
    return _IN_FOLDER.match(name) is not None and fnmatchcase(path, name)
