"""A change's files as known by what is in them at the base, too, and not by its diff alone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Final

from graph import Base
from sandbox.changes.parse_diff import Diff, FileDiff
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.test_files import TEST_LINES, is_test, languages_of, test_folder
from sandbox.tree.read_blobs import parse_blobs, read_blobs

_LONGEST_FILE: Final = 256 << 10
_OUTPUT_BYTES: Final = 8 << 20
_MOST_FOLDERS: Final = 50


async def with_contents(sandbox: Sandbox, base: Base, diff: Diff) -> Diff:
    """The change, where what its files hold at the base says which of them are tests and code.

    Before anything of it is run: `sandbox` holds the base's objects.
    """
    asked = await asyncio.to_thread(_paths_to_read, diff)
    before = await _contents(sandbox, base, asked)
    files = await asyncio.to_thread(_known, diff.files, before)
    if empty := await _folders_without_tests(sandbox, base, files, before):
        files = await asyncio.to_thread(_known, diff.files, before, empty)
    return replace(diff, files=files)


def _paths_to_read(diff: Diff) -> list[str]:
    paths = [file.old_path for file in diff.files if file.shown is None]
    return [path for path in paths if not _is_data(path)]


def _is_data(path: str) -> bool:
    """Whether neither its language nor the want of any ending says that it may be code."""
    return not languages_of(path) and "." in path.rpartition("/")[2]


def _known(
    files: Sequence[FileDiff], before: Mapping[str, str], empty: frozenset[str] = frozenset()
) -> tuple[FileDiff, ...]:
    return tuple(file.known(_text(file, before), empty) for file in files)


def _text(file: FileDiff, before: Mapping[str, str]) -> str | None:
    """What is in it at the base and in the change, where that is known."""
    if file.shown is not None or file.old_path not in before:
        return file.shown
    return "\n".join((before[file.old_path], *(line for _, line in file.added)))


async def _contents(sandbox: Sandbox, base: Base, paths: list[str]) -> dict[str, str]:
    """What is in these files at the base, as far as it is text of some length."""
    if not paths:
        return {}
    words = "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")
    listing = f"xargs -0 -r git --literal-pathspecs ls-tree -z {quote(base.sha)} --"
    listed = await sandbox.run(listing, stdin=words, keep_bytes=_OUTPUT_BYTES)
    blobs = await asyncio.to_thread(_blobs_of, listed.output)
    ids = "".join(f"{blob}\n" for blob in dict.fromkeys(blobs.values())).encode()
    script = read_blobs(_LONGEST_FILE, _OUTPUT_BYTES)
    read = await sandbox.run(script, stdin=ids, keep_bytes=_OUTPUT_BYTES)
    texts = dict(await asyncio.to_thread(list, parse_blobs(read.output)))
    return {path: texts[blob] for path, blob in blobs.items() if blob in texts}


def _blobs_of(listed: bytes) -> dict[str, str]:
    """Ids of contents by paths; what is no file is left out."""
    blobs = {}
    for entry in listed.decode(errors="replace").split("\0"):
        head, _, path = entry.partition("\t")
        mode, _, blob = head.partition(" blob ")
        if mode.startswith("100"):
            blobs[path] = blob
    return blobs


async def _folders_without_tests(
    sandbox: Sandbox, base: Base, files: Sequence[FileDiff], before: Mapping[str, str]
) -> frozenset[str]:
    """Folders with a name of tests in which no file defines any; inner ones are left out."""
    if not (asked := await asyncio.to_thread(_doubtful_folders, files, before)):
        return frozenset()
    patterns = " ".join(f"-e {quote(line)}" for line in TEST_LINES)
    search = f"git --literal-pathspecs grep -lzIE {patterns} {base.sha} --"
    words = "".join(f"{folder}\0" for folder in asked).encode()
    found = await sandbox.run(f"xargs -0 {search}", stdin=words, keep_bytes=_OUTPUT_BYTES)
    paths = found.output.decode(errors="replace").replace(f"{base.sha}:", "").split("\0")
    holding = await asyncio.to_thread(_folders_of_code, paths)
    return frozenset(asked) - holding


def _folders_of_code(paths: Sequence[str]) -> set[str]:
    return {test_folder(path) for path in paths if languages_of(path)}


def _doubtful_folders(files: Sequence[FileDiff], before: Mapping[str, str]) -> list[str]:
    """Those with a name of tests of which no changed file shows that they hold any."""
    doubtful: set[str] = set()
    holding: set[str] = set()
    for file in files:
        text = _text(file, before)
        for path in filter(test_folder, file.tests):
            sure = is_test(path, text, among_tests=False)
            (holding if sure and text is not None else doubtful).add(test_folder(path))
    return sorted(doubtful - holding)[:_MOST_FOLDERS]
