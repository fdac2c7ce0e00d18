"""Width and height of a picture, by what its first part says."""

import struct
from typing import Final

_NO_FRAMES: Final = frozenset((0xC4, 0xC8, 0xCC))
_LONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers of a JPEG that no length follows."""


def measure(name: str, content: bytes) -> tuple[int, int] | None:
    """Pixels of a `png`, `jpeg`, `gif` or `webp`; None where it does not say. Blocks."""
    try:
        width, height = _READERS[name](content)
    except (struct.error, ValueError):
        return None
    return (width, height) if width and height else None


def _measure_png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _measure_gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _measure_webp(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8X":
            low, high, low_2, high_2 = struct.unpack_from("<HBHB", content, 24)
            return 1 + low + (high << 16), 1 + low_2 + (high_2 << 16)
        case b"VP8L":
            (packed,) = struct.unpack_from("<I", content, 21)
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
    raise ValueError("unknown kind of WebP")


def _measure_jpeg(content: bytes) -> tuple[int, int]:
    at = 2
    while True:
        begins, marker = struct.unpack_from("BB", content, at)
        if begins != 0xFF:
            raise ValueError("no marker")
        if marker == 0xFF:
            at += 1
        elif marker in _LONE:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", content, at + 2)
            at += 2 + length


_READERS: Final = {
    "png": _measure_png,
    "gif": _measure_gif,
    "webp": _measure_webp,
    "jpeg": _measure_jpeg,
}
