"""The request that an issue makes: what people who may write have said there, and nothing else."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from forge.core.conversations import Comment
from forge.text.sanitize_markdown import strip_html_comments
from forge.triggers.act import Act
from forge.triggers.attached_pictures import find_pictures, merge_pictures
from graph import PicturePlace

_MOST_CHARACTERS: Final = 40_000
_SEPARATOR: Final = "\n\n---\n\n"


@dataclass(frozen=True)
class IssuePrompt:
    """What an issue asks for, and the pictures in it."""

    text: str
    pictures: list[PicturePlace]


async def write_prompt(
    act: Act,
    comments: Sequence[Comment],
    may_write: Callable[[str], Awaitable[bool]],
    words: frozenset[str],
    web: str,
) -> IssuePrompt:
    """The request; empty where nobody who may write has said anything but the command's `words`.

    Comments count as they were when the act came: one that was written or edited later does not.
    """
    parts: list[tuple[int, str]] = []
    if act.issue_author and await may_write(act.issue_author):
        parts.append((0, strip_html_comments(f"{act.issue_title}\n\n{act.issue_text}").strip()))
    for comment in comments:
        if max(comment.created_at, comment.edited_at) > act.at or comment.number == _own(act):
            continue
        if comment.author and await may_write(comment.author):
            parts.append((comment.number, strip_html_comments(comment.body).strip()))
    told = _SEPARATOR.join(part for _, part in parts if part)
    asked = without_words(strip_html_comments(act.text), words)[:_MOST_CHARACTERS]
    pictures = merge_pictures(
        find_pictures(asked, _own(act) or 0, web),
        *(find_pictures(part, number, web) for number, part in parts),
    )
    return IssuePrompt(_join(told, asked), pictures)


def _join(told: str, asked: str) -> str:
    """What was said before, and what is asked for now."""
    if not asked or not told:
        return asked or told[:_MOST_CHARACTERS]
    room = max(_MOST_CHARACTERS - len(asked) - len(_SEPARATOR), 0)  # what is asked for comes whole
    return f"{told[:room]}{_SEPARATOR}{asked}" if room else asked


def _own(act: Act) -> int | None:
    """The number of the comment that the act is."""
    return act.place_number if act.place == "comment" else None


def without_words(text: str, words: frozenset[str]) -> str:
    """The text without the words that begin its lines."""
    lines = []
    for line in text.split("\n"):
        first, _, rest = line.strip().partition(" ")
        lines.append(rest.strip() if first.lower().rstrip(",:") in words else line)
    return "\n".join(lines).strip()
