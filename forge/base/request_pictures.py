"""Pictures of what was written on the forge, fetched where the token is and kept as they came."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from forge.base.picture_size import measure
from forge.core.conversations import Attachment, Conversations
from graph import MOST_PICTURE_BYTES, MOST_PICTURES, PicturePlace, PictureText, RequestPicture
from graph.calls import end_tasks
from graph.errors import ForgeError, RepositoryError
from graph.files import write_whole

_TIMEOUT_S: Final = 60.0
"""For all of them: a run does not wait longer for its pictures."""
_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_LONGEST_SIDE: Final = 8000
"""Pixels of the largest picture that Claude takes."""
_TOO_MANY: Final = f"there are more than {MOST_PICTURES}"
_LATE: Final = "it did not come in time"


async def keep_request_pictures(
    forge: Conversations,
    folder: Path,
    full_name: str,
    issue: int,
    places: Sequence[PicturePlace],
    *,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[RequestPicture, ...]:
    """The first pictures, each in a file of its number, and a word on each that is left out."""
    wanted = list(enumerate(places[:MOST_PICTURES], start=1))
    kept = await asyncio.to_thread(_find_kept, folder, wanted)
    found = dict.fromkeys((number for number, _ in wanted), Attachment(problem=_LATE))

    async def fetch(comment: int, of: PictureText) -> None:
        of_text = [
            (number, place["address"])
            for number, place in wanted
            if _text_of(place) == (comment, of) and number not in kept
        ]
        addresses = [address for _, address in of_text]
        if not addresses:
            return
        try:
            got = await forge.attachments(
                full_name, issue, comment, addresses, MOST_PICTURE_BYTES, of
            )
        except (ForgeError, RepositoryError) as error:
            got = [Attachment(problem=f"GitHub does not show it ({error.code})")] * len(addresses)
        found.update(zip((number for number, _ in of_text), got, strict=True))

    texts = dict.fromkeys(_text_of(place) for _, place in wanted)
    await _work_within(timeout_s, [fetch(*text) for text in texts])
    for number, place in wanted:
        if number not in kept:
            kept[number] = await asyncio.to_thread(
                _keep, folder, number, place["address"], found[number]
            )
    more = (
        RequestPicture(address=each["address"], left_out=_TOO_MANY)
        for each in places[MOST_PICTURES:]
    )
    return (*(kept[number] for number, _ in wanted), *more)


async def _work_within(seconds: float, work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do it all at once, and leave what takes longer."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await end_tasks(*tasks)


def _text_of(place: PicturePlace) -> tuple[int, PictureText]:
    return place["comment"], place.get("of", "comment")


def _find_kept(
    folder: Path, wanted: Sequence[tuple[int, PicturePlace]]
) -> dict[int, RequestPicture]:
    """What an earlier attempt at the run's begin has kept. Blocks."""
    kept = {}
    for number, place in wanted:
        for name, media_type in _TYPES.items():
            file = f"{number:04d}.{name}"
            if (folder / file).exists():
                address = place["address"]
                kept[number] = RequestPicture(address=address, file=file, media_type=media_type)
    return kept


def _keep(folder: Path, number: int, address: str, got: Attachment) -> RequestPicture:
    """Write a picture, if it is one. Blocks."""
    name = _type_of(got.content)
    if problem := got.problem or _find_fault(name, got.content):
        return RequestPicture(address=address, left_out=problem)
    folder.mkdir(mode=0o700, exist_ok=True)
    file = f"{number:04d}.{name}"
    write_whole(folder / file, got.content)
    return RequestPicture(address=address, file=file, media_type=_TYPES[name])


def _find_fault(name: str, content: bytes) -> str:
    """Why roles cannot be shown a picture: one that Claude refuses would take the others along."""
    if not name:
        return "it is no PNG, JPEG, GIF or WebP"
    size = measure(name, content)
    if size is None:
        return "it is damaged"
    return f"a side of it has more than {_LONGEST_SIDE} pixels" if max(size) > _LONGEST_SIDE else ""


def _type_of(content: bytes) -> str:
    """The kind of a picture by its first bytes; empty: none that roles can be shown."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""
