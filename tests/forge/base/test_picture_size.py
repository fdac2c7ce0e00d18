"""Width and height of pictures, and of what only looks like one."""

import struct

import pytest

from forge.base.picture_size import measure
from tests.support.pictures import GIF, JPEG, PNG, WEBP, png_of

JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x0b\x08"


@pytest.mark.parametrize(
    ("name", "content", "size"),
    [
        ("png", PNG, (1, 1)),
        ("png", png_of(1200, 12_000), (1200, 12_000)),
        ("gif", GIF, (1, 1)),
        ("jpeg", JPEG, (3, 2)),
        ("jpeg", JPEG_HEAD + struct.pack(">HH", 20, 30), (30, 20)),
        ("webp", WEBP, (1, 1)),
        ("webp", b"RIFF    WEBPVP8L    \x2f" + struct.pack("<I", 299 << 14 | 199), (200, 300)),
        ("webp", b"RIFF    WEBPVP8X        \xc7\x00\x00\x2b\x01\x00", (200, 300)),
    ],
)
def test_each_kind_says_its_size(name: str, content: bytes, size: tuple[int, int]) -> None:
    assert measure(name, content) == size


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("png", PNG[:20]),
        ("png", png_of(0, 4)),
        ("gif", GIF[:7]),
        ("jpeg", JPEG[:4]),
        ("jpeg", b"\xff\xd8" + b"\xff" * 1_000),
        ("jpeg", b"\xff\xd8\xff\xe0\x00\x00" * 1_000),
        ("webp", WEBP[:24]),
        ("webp", b"RIFF    WEBPANIM" + bytes(40)),
    ],
)
def test_what_is_cut_off_or_none_says_nothing(name: str, content: bytes) -> None:
    assert measure(name, content) is None
