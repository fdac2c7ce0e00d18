"""Contents of files out of a tree's objects, by their ids; no file of the work tree is needed."""

import re
from collections.abc import Iterator
from typing import Final

_BLOB: Final = re.compile(rb"(?P<id>[0-9a-f]+) blob (?P<size>[0-9]{1,9})\n")


def read_blobs(longest: int, most: int) -> str:
    """A command that is given ids, a line each, and prints those of at most `longest` bytes.

    It prints at most `most` bytes.
    """
    return f"""\
git cat-file --batch-check | while read -r id type size; do
  if [ "$type" = blob ] && [ "$size" -le {longest} ]; then echo "$id"; fi
done | git cat-file --batch | head -c {most}
"""


def parse_blobs(output: bytes) -> Iterator[tuple[str, str]]:
    """Pairs of id and content; the last may have been cut off, and is left out then."""
    position = 0
    while head := _BLOB.match(output, position):
        end = head.end() + int(head["size"])
        if end > len(output):
            return
        content = output[head.end() : end]
        yield head["id"].decode(), content.decode("utf-8-sig", errors="replace")
        position = end + 1
