"""Pictures of the request, as blocks of a role's first message."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from graph import RequestPicture
from roles.claude.reply import Block

_LOST: Final = "it was lost"


def load_pictures(folder: Path, pictures: Sequence[RequestPicture]) -> list[Block]:
    """Each picture below its address, or a word on why it is not shown. Blocks."""
    return [block for picture in pictures for block in _blocks_of(folder, picture)]


def _blocks_of(folder: Path, picture: RequestPicture) -> list[Block]:
    try:
        content = (folder / picture.file).read_bytes() if picture.file else b""
    except FileNotFoundError:
        content = b""
    if not content:
        why = picture.left_out or _LOST
        said = f"The request's picture {picture.address} is not shown: {why}."
        return [{"type": "text", "text": said}]
    source = {
        "type": "base64",
        "media_type": picture.media_type,
        "data": b64encode(content).decode(),
    }
    said = f"The request's picture {picture.address}:"
    return [{"type": "text", "text": said}, {"type": "image", "source": source}]
