"""What people and the service say to each other below issues and pull requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from graph import Emit, PictureText, unheard

Place = Literal["issue", "comment", "review_comment"]
"""What a reaction is put on: an issue or pull request itself, or a comment of either kind."""
Reaction = Literal["eyes", "+1"]
"""Seen, and done."""
_LOOKED_AT: Final = 100
"""Comments."""


@dataclass(frozen=True)
class Comment:
    """A comment; times are Unix seconds. `edited_at` is `created_at` where nobody edited it."""

    number: int
    author: str
    body: str
    created_at: float
    edited_at: float


@dataclass(frozen=True)
class ReviewWords:
    """What a review, or a comment of one, says; of the review as a whole `path` is empty."""

    author: str
    body: str
    edited_at: float
    number: int = 0
    """The comment's own; 0 of the review as a whole."""
    path: str = ""
    line: int | None = None
    changes_requested: bool = False
    """Of the review as a whole; not where it was dismissed."""


@dataclass(frozen=True)
class SubmittedReview:
    """A review as a whole, without its comments. `submitted_at` is in Unix seconds."""

    number: int
    author: str
    body: str
    changes_requested: bool
    submitted_at: float


@dataclass(frozen=True)
class OpenedPull:
    """An open pull request as a list of them shows it."""

    number: int
    url: str
    body: str


@dataclass(frozen=True)
class Attachment:
    """The content of a file that somebody attached; `problem` says why there is none."""

    content: bytes = b""
    problem: str = ""


class Conversations(Protocol):
    """One account's part in the conversations of a forge. `full_name` is OWNER/NAME.

    Every method raises ForgeError or RepositoryError.
    """

    async def may_write(self, full_name: str, login: str) -> bool:
        """Whether somebody may write to a repository."""
        ...

    async def add_reaction(
        self, full_name: str, place: Place, number: int, reaction: Reaction
    ) -> None:
        """Show that something was seen or done; a second time changes nothing."""
        ...

    async def answer_review_comment(
        self, full_name: str, pull: int, comment: int, body: str
    ) -> None:
        """Answer a comment of a review, itself a reply or not, in its thread."""
        ...

    async def comments(self, full_name: str, number: int, limit: int) -> list[Comment]:
        """The newest comments of an issue or a pull request, oldest first."""
        ...

    async def attachments(
        self,
        full_name: str,
        number: int,
        comment: int,
        addresses: Sequence[str],
        most_bytes: int,
        of: PictureText = "comment",
    ) -> list[Attachment]:
        """What is attached to a comment of issue or pull request `number`, at these addresses.

        0 is the issue itself; `of` says whether it is a comment at a line, or a review.
        """
        ...

    async def submitted_reviews(
        self, full_name: str, pull: int, emit: Emit = unheard
    ) -> list[SubmittedReview]:
        """The submitted reviews of a pull request, oldest first, at most a thousand."""
        ...

    async def review_words(self, full_name: str, pull: int, review: int) -> list[ReviewWords]:
        """What a review of a pull request says: itself, then its comments, at most a thousand."""
        ...

    async def pulls_opened_by(
        self, full_name: str, login: str, emit: Emit = unheard
    ) -> list[OpenedPull]:
        """The open pull requests of an account in a repository, at most a hundred."""
        ...

    async def create_comment(self, full_name: str, number: int, body: str) -> int:
        """The new comment's number."""
        ...

    async def edit_comment(self, full_name: str, comment: int, body: str) -> None:
        """Replace a comment's text. Raises RepositoryNotFound where it was deleted."""
        ...


async def find_comment(
    conversations: Conversations,
    full_name: str,
    number: int,
    author: str,
    is_wanted: Callable[[str], bool],
) -> int | None:
    """The newest comment of an account whose text is wanted; of the newest hundred of all.

    Raises ForgeError, RepositoryError.
    """
    said = await conversations.comments(full_name, number, _LOOKED_AT)
    theirs = (each for each in reversed(said) if each.author == author)
    return next((each.number for each in theirs if is_wanted(each.body)), None)
