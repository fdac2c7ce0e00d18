"""What the planner is shown of a repository: its files, and the lines that the request names."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Final

from roles.briefing.mentions import extract_terms, search_script, show_mentions
from roles.briefing.untrusted_text import quote_untrusted
from sandbox import ExecResult, Sandbox

_MAX_FILES: Final = 6_000
_MAX_LISTING: Final = 3_000_000
_TIMEOUT_S: Final = 30.0


async def describe_repository(sandbox: Sandbox, prompt: str, project: str = "") -> str:
    """The files, and the lines that hold what the request names.

    `project` is the repository's own name. Read from git's objects: the work tree need not be there
    yet.
    """
    mark = f"----- {secrets.token_hex(8)} -----"
    search = search_script(extract_terms(prompt, project), mark)
    script = f"git ls-files | head -c {_MAX_LISTING}\nprintf '\\n%s\\n' '{mark}'\n{search}"
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=2 * _MAX_LISTING)
    return await asyncio.to_thread(_describe, result, mark)


def _describe(result: ExecResult, mark: str) -> str:
    files, _, mentions = result.text.partition(f"\n{mark}\n")
    parts = (_show_files(files.split("\n")), show_mentions(mentions, mark))
    return "\n\n".join(part for part in parts if part)


def _show_files(names: Sequence[str]) -> str:
    """All names, a line a folder, or of too many the folders with their number of files."""
    names = [name for name in names if name]
    if not names:
        return ""
    for depth in (None, 3, 2, 1):
        listed = "\n".join(_group(names, depth) if depth else _list_folders(names))
        if len(listed) <= _MAX_FILES:
            break
    return quote_untrusted("files", listed, _MAX_FILES)


def _list_folders(names: Sequence[str]) -> list[str]:
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, slash, file = name.rpartition("/")
        folders.setdefault(folder + slash, []).append(file)
    return [
        f"{folder}: {', '.join(files)}" if folder else ", ".join(files)
        for folder, files in folders.items()
    ]


def _group(names: Sequence[str], depth: int) -> list[str]:
    """Names up to a depth; what lies deeper is counted by its folder."""
    counts = Counter[str]()
    for name in names:
        parts = name.split("/")
        folder = "/".join(parts[:depth])
        counts[f"{folder}/" if len(parts) > depth else folder] += 1
    return [
        f"{name} ({count} files)" if name.endswith("/") else name for name, count in counts.items()
    ]
