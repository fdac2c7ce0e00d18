"""Pictures that people attached to what they wrote on the forge."""

import re
from typing import Final

from forge.github.attachments import is_attachment
from graph import PicturePlace

_IMAGE: Final = re.compile(
    r"(?:!\[[^\[\]\n]{0,300}\]\(\s?<?|<img\s[^<>]{0,500}?\bsrc\s?=\s?[\"']?)"
    r"(https?://[^\s\"'<>()]{1,300})"
)
_MOST_PLACES: Final = 20
"""So many are told of; the first few are shown."""


def find_pictures(text: str, comment: int, web: str) -> list[PicturePlace]:
    """Attachments that a text shows as pictures; `comment` 0: it is the issue's own.

    `web` is where repositories lie. Pictures from elsewhere are none.
    """
    found = dict.fromkeys(match[1] for match in _IMAGE.finditer(text))
    return [
        PicturePlace(comment=comment, address=address)
        for address in found
        if is_attachment(address, web)
    ][:_MOST_PLACES]


def merge_pictures(*found: list[PicturePlace]) -> list[PicturePlace]:
    """All of them in this order, each address once."""
    places: dict[str, PicturePlace] = {}
    for place in (each for part in found for each in part):
        places.setdefault(place["address"], place)
    return [*places.values()][:_MOST_PLACES]
