"""What `.gitattributes` of a changed tree asks git to do with the files that changed."""

import asyncio
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from forge.gate.path_rules import FILES, Entry
from forge.gate.tree_listing import TreeFile
from forge.git.command import Git
from forge.git.environment import run_objects
from graph import RunFolder

Attributes = Mapping[str, str]
"""By name, those that are set: `set`, or what they are set to."""

_ASKED: Final = ("filter", "text", "eol", "working-tree-encoding")
_NAME: Final = b".gitattributes"
_NOT_SET: Final = ("unspecified", "unset")


async def read_attributes(
    git: Git, run: RunFolder, files: Sequence[TreeFile], entries: Sequence[Entry]
) -> Mapping[bytes, Attributes]:
    """The attributes of each changed file, by its path. Raises GitFailed.

    They are read through an index of the `.gitattributes` files alone, in a repository of no
    attributes of its own: those of a run take everything for bytes.
    """
    told, asked = await asyncio.to_thread(_told_and_asked, files, entries)
    if not told or not asked:
        return {}
    place = run.root / f".attributes-{secrets.token_hex(6)}"
    environment = run_objects(str(run.objects), str(place / "index"))
    try:
        await git.output("init", "--quiet", "--bare", "--template=", str(place))
        await git.output(
            *("update-index", "-z", "--index-info"),
            git_dir=str(place),
            stdin=told,
            environment=environment,
        )
        answer = await git.output(
            *("check-attr", "--cached", "-z", "--stdin", *_ASKED),
            git_dir=str(place),
            stdin=asked,
            environment=environment,
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    return await asyncio.to_thread(_parse, answer)


def _told_and_asked(files: Sequence[TreeFile], entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """The files of attributes as an index takes them, and the paths that are asked about."""
    told = (file for file in files if file.path.endswith(_NAME) and file.mode in FILES)
    named = (file for file in told if file.path.rpartition(b"/")[2] == _NAME)
    listed = b"".join(b"%s %s 0\t%s\0" % (f.mode.encode(), f.sha.encode(), f.path) for f in named)
    asked = (entry.path for entry in entries if not entry.removed and entry.mode in FILES)
    return listed, b"".join(path + b"\0" for path in asked)


def _parse(answer: bytes) -> dict[bytes, dict[str, str]]:
    """`path NUL attribute NUL value NUL`."""
    fields = answer.split(b"\0")[:-1]
    found: dict[bytes, dict[str, str]] = {}
    for path, name, value in _triples(fields):
        if (text := value.decode("utf-8", "replace")) not in _NOT_SET:
            found.setdefault(path, {})[name.decode("ascii")] = text
    return found


def _triples(fields: list[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return zip(fields[::3], fields[1::3], fields[2::3], strict=True)
