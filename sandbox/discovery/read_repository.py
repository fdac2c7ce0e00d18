"""Reading a repository's files from the objects of its base, in a tree of it.

Two commands: the first lists names, the second prints the contents of those that are worth it.
No file of the work tree is needed, and what was done to it before does not matter.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from typing import Final

from graph import LONGEST_PATH, Base
from graph.errors import SandboxError
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.base import paths_like
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.tree.read_blobs import parse_blobs, read_blobs

_OUTPUT_BYTES: Final = 3_500_000
_MOST_BYTES = 1 << 20
_MOST_READ = 200
_LONGEST_FILE = 65536
_LONGEST_MANIFEST = 262_144
"""Of a `package.json`: libraries name each module that they export there."""

READ: Final = [p for each in ECOSYSTEMS for p in (each.manifests, each.read) if p]
SEEN: Final = [p for each in ECOSYSTEMS for p in (each.locks, each.seen) if p]
LAYOUT: Final = [each.layout for each in ECOSYSTEMS if each.layout]
_MARKS = [mark for each in ECOSYSTEMS for mark in each.marks]
_WANTED = paths_like(READ)

# Names end in NUL, and lists of names in what no name can be, so that none is taken for another.
_END: Final = b"\0//\0"
_LIST = """\
export LC_ALL=C
git cat-file -e "$sha" || exit 1
list() {{ head -c {most}; printf '\\0//\\0'; }}
names() {{ git ls-tree -r -z --full-tree "$sha" | grep -zE "[/\t]($1)\\$" | list; }}
names {files}
names {layout}
{marks}
""".format(
    most=_MOST_BYTES,
    files=quote("|".join(READ + SEEN)),
    layout=quote("|".join(LAYOUT)),
    marks="\n".join(
        f"git grep --cached -lzIE -e {quote(mark.pattern)} -- {quote(mark.files)} | list"
        for mark in _MARKS
    ),
)
_READ_FILES = read_blobs(_LONGEST_MANIFEST, _OUTPUT_BYTES)


@dataclass(frozen=True)
class Listing:
    """The answer to the first command: what there is, and what to ask the second for."""

    repository: RepositoryFiles
    wanted: Mapping[str, str]
    """Ids of blobs by their paths."""


async def read_repository(sandbox: Sandbox, base: Base) -> RepositoryFiles:
    """What is known of the base. Raises SandboxError."""
    listed = await _output(sandbox, f"sha={base.sha}\n{_LIST}")
    listing = await asyncio.to_thread(parse_listing, listed)
    ids = "".join(f"{blob}\n" for blob in dict.fromkeys(listing.wanted.values()))
    output = await _output(sandbox, _READ_FILES, ids.encode()) if ids else b""
    return await asyncio.to_thread(add_contents, listing, output)


def parse_listing(output: bytes) -> Listing:
    """Reads what the first command printed; what is none of it is left out."""
    names, layout, *marked = (
        [name for name in part.decode(errors="replace").split("\0") if name]
        for part in (output + _END).split(_END)
    )
    files: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for entry in layout + names:
        head, _, path = entry.partition("\t")
        mode, _, blob = head.partition(" blob ")
        is_file = mode.startswith("100")  # neither a link nor a submodule
        if path and is_file and len(path) <= LONGEST_PATH:
            files[path] = ""
            if _WANTED.fullmatch(path):
                wanted[path] = blob
    first = sorted(wanted, key=lambda path: (path.count("/"), path))[:_MOST_READ]
    marks = {mark.kind: paths for mark, paths in zip(_MARKS, marked, strict=False) if paths}
    return Listing(RepositoryFiles(files, marks), {path: wanted[path] for path in first})


def add_contents(listing: Listing, output: bytes) -> RepositoryFiles:
    """The files with the contents that the second command printed."""
    contents = dict(parse_blobs(output))
    read = {
        path: text
        for path, blob in listing.wanted.items()
        if (text := contents.get(blob)) is not None and len(text) <= _longest(path)
    }
    files = {**listing.repository.files, **read}
    return replace(listing.repository, files=files, unread=frozenset(listing.wanted) - set(read))


def _longest(path: str) -> int:
    is_manifest = path.rpartition("/")[2] == "package.json"
    return _LONGEST_MANIFEST if is_manifest else _LONGEST_FILE


async def _output(sandbox: Sandbox, command: str, stdin: bytes = b"") -> bytes:
    run = partial(sandbox.run, command, stdin=stdin, keep_bytes=3 * _OUTPUT_BYTES)
    while (result := await run()).lost:
        continue  # in the new tree
    if result.exit_code != 0:
        raise SandboxError(f"The base cannot be searched for checks: {result.reason}")
    return result.output
