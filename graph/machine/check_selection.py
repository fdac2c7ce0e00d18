"""Which of a repository's checks are run: those near the changed files first, and not too many."""

from collections.abc import Iterable, Sequence
from typing import Final

from graph.values import Check

MOST_TESTS: Final = 8
MOST_LINTS: Final = 4


def near_checks(found: Sequence[Check], paths: Iterable[str]) -> tuple[Check, ...]:
    """Tests before lint, of each the innermost package that holds one of the paths first.

    The whole repository holds every path. Where nothing holds one, a repository of packages alone,
    the first that were found stand for all.
    """
    changed = tuple(paths)
    holding = [check for check in found if _holds(check.folder, changed)]
    tests = _nearest(holding, "test") or _nearest(found, "test")
    return (*tests[:MOST_TESTS], *_nearest(holding, "lint")[:MOST_LINTS])


def main_checks(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Those by which a run is judged: the caller's and the main one, else all tests found.

    Where there are none of these either, all.
    """
    first = tuple(check for check in checks if check.main or check.source == "caller")
    tests = tuple(check for check in checks if check.kind == "test" and check.source != "plan")
    return first or tests or tuple(checks)


def _holds(folder: str, paths: tuple[str, ...]) -> bool:
    return not folder or any(path.startswith(f"{folder}/") for path in paths)


def _nearest(checks: Sequence[Check], kind: str) -> list[Check]:
    of_kind = [check for check in checks if check.kind == kind]
    return sorted(of_kind, key=lambda check: -_depth(check.folder))


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0
