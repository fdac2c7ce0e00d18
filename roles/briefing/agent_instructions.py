"""What a repository asks of agents, in files at its top and nearest to what is changed."""

import posixpath
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final

from roles.briefing.base_files import MAX_BYTES, list_base_files, read_base_files
from roles.briefing.untrusted_text import quote_untrusted
from sandbox import Sandbox

NAMES: Final = ("AGENTS.md", "CLAUDE.md")
_MAX_LFS: Final = 2_000
_MAX_LISTED: Final = 1 << 20
_MOST_FILES: Final = 16
_DEEPEST: Final = 20
"""So deep a folder is looked for such files."""
_MOST_IMPORTS: Final = 8
_LEVELS: Final = 2
"""How deep a file that is named in another is followed."""
_TOP: Final = (*NAMES, ".github/copilot-instructions.md")
_GUIDES: Final = tuple(
    f"{folder}CONTRIBUTING{suffix}"
    for folder in ("", ".github/", "docs/")
    for suffix in (".md", ".rst", "")
)
_IMPORT: Final = re.compile(r"(?:^|\s)@((?:\.{1,2}/)*[\w-][\w./-]{0,200})")
_LIST: Final = f"""\
"$git" ls-tree -r -z --name-only "$tree" | grep -zE '/({"|".join(map(re.escape, NAMES))})$' \
  | head -c {_MAX_LISTED}
"""
"""The files for agents below the top: only those that the base has take a place."""
_FIND_GUIDES: Final = f"""\
tell_name() {{ printf '%s\\n' "$1"; }}
for_blobs tell_name {" ".join(_GUIDES)}
"""
_FIND_LFS: Final = f"""\
"$git" grep -hE '^[^#]*[[:space:]]filter=lfs' "$tree" -- ':(glob)**/.gitattributes' 2>/dev/null \\
  | head -c {_MAX_LFS}
"""
_LFS_NOTE: Final = """\
Files of these patterns are kept in Git LFS: only their pointers are here, and a run cannot upload \
files there. Leave such files alone, and add none:"""


async def read_instructions(
    sandbox: Sandbox, tree: str, paths: Sequence[str] = ()
) -> tuple[str, ...]:
    """What the base asks of agents, file by file, and what is kept in Git LFS.

    `tree` is the id of the base's; of the files for agents those that are nearest to `paths` are
    read, too, and what they name as `@file`. Nothing where nothing is.
    """
    there = await list_base_files(sandbox, tree, _LIST, _MAX_LISTED) if paths else ()
    nearest = _nearest(paths, frozenset(there))
    names = (*_TOP, *nearest)
    found, (guides, lfs) = await read_base_files(sandbox, tree, names, _FIND_GUIDES, _FIND_LFS)
    known = dict(found)
    for _ in range(_LEVELS):
        found = [(name, text) for name, text in found if text.strip()]
        imported = [name for name in _imports(found) if name not in known][:_MOST_IMPORTS]
        if not imported:
            break
        found, _ = await read_base_files(sandbox, tree, imported)
        known |= found
    parts, room = [], MAX_BYTES
    for name, text in known.items():
        if text.strip() and room > 0:
            parts.append(_show(name, text, room))
            room -= len(parts[-1])
    if guides.strip():
        parts.append(f"For contributors: {', '.join(guides.split())}.")
    if lfs.strip():
        parts.append(f"{_LFS_NOTE}\n{quote_untrusted('git_lfs', lfs, _MAX_LFS)}")
    return tuple(parts)


def _nearest(paths: Iterable[str], there: Collection[str]) -> list[str]:
    """Those of the files that are in the folders above paths, the innermost first."""
    folders: dict[str, None] = {}
    for path in paths:
        above = posixpath.dirname(posixpath.normpath(path)).split("/")
        folder = "/".join(above[:_DEEPEST])
        while folder and not folder.startswith(("/", "..")) and "\n" not in folder:
            folders[folder] = None
            folder = posixpath.dirname(folder)
    by_depth = sorted(folders, key=lambda folder: -folder.count("/"))
    files = (f"{folder}/{name}" for folder in by_depth for name in NAMES)
    return list(islice(filter(there.__contains__, files), _MOST_FILES))


def _imports(files: Iterable[tuple[str, str]]) -> list[str]:
    """What files name as `@file`, seen from the top of the repository."""
    named = (
        posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1].rstrip(".")))
        for name, text in files
        for match in _IMPORT.finditer(text)
    )
    return [name for name in dict.fromkeys(named) if not name.startswith(("/", ".."))]


def _show(name: str, text: str, room: int) -> str:
    return f"For agents, in {name}:\n{quote_untrusted('repository_wishes', text, room)}"
