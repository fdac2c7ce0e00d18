"""The requests that acts make of runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from forge.core import Forge, ReviewWords
from forge.triggers import (
    Act,
    comments_of,
    find_pictures,
    numbers_of,
    pictures_of_review,
    read_review,
    write_prompt,
    write_pull_prompt,
)
from graph import PicturePlace, ReviewReceived, RunRequest

_MOST_COMMENTS: Final = 100


@dataclass(frozen=True)
class Message:
    """What an act asks for, empty where that is nothing; `received` is the review that it is."""

    text: str
    received: ReviewReceived | None = None
    answers: list[int] = field(default_factory=list)
    """Numbers of the comments at lines that the text holds, as it counts them."""
    pictures: list[PicturePlace] = field(default_factory=list)


@dataclass(frozen=True)
class AskedRun:
    """A run that an act asks for; `received` is the review that it is to go on with."""

    request: RunRequest
    received: ReviewReceived | None = None


async def write_request(
    act: Act,
    forge: Forge,
    *,
    web: str,
    login: str,
    words: frozenset[str],
    may_write: Callable[[str], Awaitable[bool]],
) -> AskedRun | None:
    """The run; None where nobody who may write has said what to do.

    `login` is ours: what we said ourselves does not count. Raises ForgeError, RepositoryError.
    """
    address = f"{web}/{act.repo}"
    if act.is_pull:
        message = await write_message(act, forge, words, web=web, counted=True)
        pull = f"{address}/pull/{act.number}"
        request = RunRequest(repo_url=address, prompt=message.text, pull_request_url=pull)
        if message.answers:
            request["answers"] = message.answers
        if message.pictures:
            request["pictures"] = message.pictures
        return AskedRun(request, message.received) if message.text else None
    found = await forge.comments(act.repo, act.number, _MOST_COMMENTS) if act.has_comments else []
    theirs = [each for each in found if each.author != login]
    said = await write_prompt(act, theirs, may_write, words, web)
    request = RunRequest(repo_url=address, prompt=said.text, reviewers=[act.by], closes=act.number)
    if said.pictures:
        request["pictures"] = said.pictures
    return AskedRun(request) if said.text else None


async def write_message(
    act: Act, forge: Forge, words: frozenset[str], *, web: str = "", counted: bool = False
) -> Message:
    """What a comment or a whole review asks for; `counted`: its line comments have numbers.

    Raises ForgeError, RepositoryError.
    """
    if not act.review:
        text = write_pull_prompt(act, (), words)
        return Message(text, pictures=find_pictures(text, act.place_number, web))
    said = _as_delivered(act, await forge.review_words(act.repo, act.number, act.review))
    asked = read_review(act, said, words)
    received = ReviewReceived(key=act.key, by=act.by, comments=comments_of(asked))
    text = write_pull_prompt(act, asked, words, counted=counted)
    pictures = pictures_of_review(asked, act.review, web)
    return Message(text, received, numbers_of(asked), pictures)


def _as_delivered(act: Act, said: Sequence[ReviewWords]) -> list[ReviewWords]:
    """Its own text as it was then: GitHub does not tell of a review when it was edited."""
    told = act.place != "review_comment"
    return [
        replace(each, body=act.text)
        if told and each.number == 0 and each.author == act.by
        else each
        for each in said
    ]
