"""The finding that a change adds no entry where the repository notes its changes."""

from graph import Base, ValidationFinding
from sandbox.changes.parse_diff import Diff, FileDiff


def changelog_findings(base: Base, change: Diff) -> tuple[ValidationFinding, ...]:
    """A warning, or nothing; of a pull request's next commit nothing, as the first may have it."""
    place = base.changelog
    if not place or base.pull or change.cut or not any(map(_is_source, change.files)):
        return ()
    if any(_adds_entry(file, place) for file in change.files):
        return ()
    message = f"The repository notes changes in `{place}`, and this change adds no entry."
    return (ValidationFinding(rule="changelog", severity="warning", message=message),)


def _is_source(file: FileDiff) -> bool:
    return bool(file.code) and not file.is_test


def _adds_entry(file: FileDiff, place: str) -> bool:
    inside = file.path.startswith(place) if place.endswith("/") else file.path == place
    return inside and bool(file.added)
