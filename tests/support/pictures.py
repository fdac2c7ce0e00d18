"""Pictures for tests: the smallest that each kind has, and where people attach them."""

import struct
from base64 import b64decode
from typing import Any, Final

PNG: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GIF: Final = b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
JPEG: Final = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00\xff\xd9"
)
WEBP: Final = b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")


def png_of(width: int, height: int) -> bytes:
    """The first part of a PNG of that many pixels."""
    return PNG[:16] + struct.pack(">II", width, height) + PNG[24:]


def picture_id(number: int) -> str:
    """The id of an attachment."""
    return f"{number:08x}-1111-4222-8333-444444444444"


def address_of(web: str, number: int) -> str:
    """Where GitHub's texts say that it is."""
    return f"{web}/user-attachments/assets/{picture_id(number)}"


def pictures_in(request: dict[str, Any]) -> list[bytes]:
    """All pictures of a prompt."""
    return [
        b64decode(block["source"]["data"])
        for message in request["messages"]
        for block in message["content"]
        if block["type"] == "image"
    ]
