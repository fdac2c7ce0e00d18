"""What makes a finished change one that a reader should look at twice, and so a draft."""

import re
from collections.abc import Sequence
from typing import Final

from graph.values import Change, ChangedFile, Plan

LARGE: Final = 500
"""Changed lines."""
_SHOWN: Final = 5
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
    planned = [name.removeprefix("./").rstrip("/") for name in plan.files] if plan else []
    if not planned:
        return []
    return [
        file.path
        for file in files
        if not _COMPANION.fullmatch(file.path)
        and not any(file.path == name or file.path.startswith(f"{name}/") for name in planned)
    ]
