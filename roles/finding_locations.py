"""Where a reviewer's findings point: into the change or the tree, or nowhere."""

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from graph import Finding
from sandbox import WORKSPACE, Sandbox
from sandbox.changes import FileDiff

_TIMEOUT_S: Final = 30.0
_WITH_LINE: Final = re.compile(r"(.+?):(\d+)(?:-\d+)?")
_COUNT_LINES: Final = """\
while IFS= read -r -d '' path; do
  if [ -f "$path" ]; then lines=$(grep -c '' -- "$path" 2>/dev/null); echo "${lines:-0}"
  elif [ -e "$path" ]; then echo 0
  else echo -; fi
done
"""


async def validate_locations(
    findings: Sequence[Finding], files: Sequence[FileDiff], sandbox: Sandbox
) -> tuple[Finding, ...]:
    """The findings with paths and lines that exist; others say in their message what was named.

    Where the tree cannot be asked they stay as they are.
    """
    cleaned = [_clean(finding) for finding in findings]
    changed = [path for file in files for path in (file.path, file.old_path)]
    paths = {
        finding.path: _match_changed_file(finding.path, changed)
        for finding in cleaned
        if finding.path
    }
    counts = await _line_counts(sorted({*paths, *paths.values()}), sandbox)
    if counts is None:
        return tuple(cleaned)
    return tuple(
        _validate_location(finding, paths, counts, frozenset(changed)) for finding in cleaned
    )


def _validate_location(
    finding: Finding,
    paths: dict[str, str],
    counts: dict[str, int],
    changed: frozenset[str],
) -> Finding:
    named = finding.path
    path = next((p for p in (named, paths.get(named, "")) if p in counts or p in changed), "")
    if named and not path:
        note = f" (The reviewer named {named!r}, which is neither in the change nor in the tree.)"
        return _moved(finding, "", None, note)
    if finding.line is None or 1 <= finding.line <= counts.get(path, 0):
        return _moved(finding, path, finding.line)
    if path not in counts:
        return _moved(finding, path, None)
    note = f" (The reviewer named line {finding.line}, which the file does not have.)"
    return _moved(finding, path, None, note)


def _moved(finding: Finding, path: str, line: int | None, note: str = "") -> Finding:
    message = finding.message.strip() + note
    return finding.model_copy(update={"path": path, "line": line, "message": message})


def _clean(finding: Finding) -> Finding:
    """The path below the workspace, and a line that was written behind it as a line."""
    path, line = finding.path.strip().strip("`'\""), finding.line
    if match := _WITH_LINE.fullmatch(path):
        path, line = match[1], line or int(match[2])
    path = posixpath.normpath(path.removeprefix(f"{WORKSPACE}/")) if path else ""
    return _moved(finding, path, line if line and line > 0 and path else None)


def _match_changed_file(path: str, changed: Sequence[str]) -> str:
    """The one changed file that a path may stand for: without git's prefix, or as its end."""
    if path in changed:
        return path
    bare = path[2:] if path.startswith(("a/", "b/")) else path
    fitting = {name for name in changed if name == bare or name.endswith(f"/{bare}")}
    return fitting.pop() if len(fitting) == 1 else path


async def _line_counts(paths: Sequence[str], sandbox: Sandbox) -> dict[str, int] | None:
    """How many lines each path has that is there, a folder none; None where it cannot be read."""
    inside = [path for path in paths if not path.startswith(("/", "..")) and "\0" not in path]
    if not inside:
        return {}
    names = "".join(f"{path}\0" for path in inside).encode("utf-8", "replace")
    result = await sandbox.run(
        _COUNT_LINES, stdin=names, timeout_s=_TIMEOUT_S, keep_bytes=64 * 1024
    )
    counts = result.text.splitlines()
    if result.exit_code != 0 or len(counts) != len(inside):
        return None
    return {path: int(count) for path, count in zip(inside, counts, strict=True) if count.isdigit()}
