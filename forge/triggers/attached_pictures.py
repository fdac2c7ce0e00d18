"""Pictures that people attached to what they wrote on the forge."""

import re
from collections.abc import Sequence
from typing import Final

from forge.core.conversations import ReviewWords
from forge.github.attachments import is_attachment
from graph import PicturePlace, PictureText

_IMAGE: Final = re.compile(
    r"(?:!\[[^\[\]\n]{0,300}\]\(\s?<?|<img\s[^<>]{0,500}?\bsrc\s?=\s?[\"']?)"
    r"(https?://[^\s\"'<>()]{1,300})"
)
_MOST_PLACES: Final = 20
"""So many are told of; the first few are shown."""


def find_pictures(
    text: str, comment: int, web: str, of: PictureText = "comment"
) -> list[PicturePlace]:
    """Attachments that a text shows as pictures; `comment` 0: it is the issue's own.

    `web` is where repositories lie. Pictures from elsewhere are none.
    """
    found = dict.fromkeys(match[1] for match in _IMAGE.finditer(text))
    places = [
        PicturePlace(comment=comment, address=address)
        for address in found
        if is_attachment(address, web)
    ][:_MOST_PLACES]
    if of != "comment":
        for place in places:
            place["of"] = of
    return places


def merge_pictures(*found: list[PicturePlace]) -> list[PicturePlace]:
    """All of them in this order, each address once."""
    places: dict[str, PicturePlace] = {}
    for place in (each for part in found for each in part):
        places.setdefault(place["address"], place)
    return [*places.values()][:_MOST_PLACES]


def pictures_of_review(words: Sequence[ReviewWords], review: int, web: str) -> list[PicturePlace]:
    """Those of a review, itself and its comments at lines."""
    return merge_pictures(
        *(
            find_pictures(each.body, each.number, web, "line")
            if each.path
            else find_pictures(each.body, review, web, "review")
            for each in words
        )
    )
