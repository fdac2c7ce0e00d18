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
    told = [file for file in files if file.path.split(b"/")[-1] == _NAME and file.mode in FILES]
    asked = [entry.path for entry in entries if not entry.removed and entry.mode in FILES]
    if not told or not asked:
        return {}
    place = run.root / f".attributes-{secrets.token_hex(6)}"
    environment = run_objects(str(run.objects), str(place / "index"))
    listed = b"".join(f"{f.mode} {f.sha} 0\t".encode() + f.path + b"\0" for f in told)
    try:
        await git.output("init", "--quiet", "--bare", "--template=", str(place))
        await git.output(
            *("update-index", "-z", "--index-info"),
            git_dir=str(place),
            stdin=listed,
            environment=environment,
        )
        answer = await git.output(
            *("check-attr", "--cached", "-z", "--stdin", *_ASKED),
            git_dir=str(place),
            stdin=b"".join(path + b"\0" for path in asked),
            environment=environment,
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    return await asyncio.to_thread(_parse, answer)


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
