"""What a patch brings in its binary parts, which git writes deflated and in base 85."""

import base64
import re
import zlib
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(rb"^(?:literal|delta) \d+\n((?:[A-Za-z][^\n]+\n)+)", re.MULTILINE)
_PIECE: Final = 1024 * 1024
_OVERLAP: Final = 4096
_MOST: Final = 512 * 1024 * 1024
"""No larger change is taken over by the trusted side."""


def iter_binary_parts(patch: bytes) -> Iterator[bytes]:
    """The inflated binary parts, in pieces that overlap.

    Of a delta what it inserts is in it; what it copies from the old file is not: also bytes at the
    edges of an insertion, where the old file happens to have the same.
    """
    room = _MOST
    for part in _PART.finditer(patch):
        inflater, end = zlib.decompressobj(), b""
        for piece in _inflate(inflater, _decode_rows(part[1])):
            room -= len(piece)
            if room < 0:
                return
            yield end + piece
            end = piece[-_OVERLAP:]


def _decode_rows(rows: bytes) -> bytes:
    """Each row begins with a letter that counts its bytes; what is no such row ends the part."""
    data = bytearray()
    for row in rows.splitlines():
        length = row[0] - 64 if row[0] < 97 else row[0] - 70
        try:
            data += base64.b85decode(row[1:])[:length]
        except ValueError:
            break
    return bytes(data)


def _inflate(inflater: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    try:
        while data and (piece := inflater.decompress(data, _PIECE)):
            yield piece
            data = inflater.unconsumed_tail
    except zlib.error:
        return
