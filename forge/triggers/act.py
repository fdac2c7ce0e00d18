"""Acts of people on the forge that may begin, steer or end a run."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from forge.core.conversations import Place
from forge.triggers.commands import Command

_MOST_KEY: Final = 500


class Act(BaseModel):
    """One act, as it was when the forge told of it. Texts are whatever their author wrote.

    `key` is the same for all deliveries that tell of the act. `at` is in Unix seconds.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    kind: Literal["label", "comment", "review", "closed", "checks", "status", "pushed", "conflicts"]
    repo: str
    number: int
    """That of the issue or pull request; 0 of a push and of a commit's status."""
    is_pull: bool
    by: str
    at: float
    place: Place
    place_number: int
    """What a reaction is put on."""
    text: str = ""
    """Of a push the name of the branch, of a status the hash of the commit."""
    commands: tuple[Command, ...] = ()
    issue_title: str = ""
    issue_text: str = ""
    issue_author: str = ""
    has_comments: bool = True
    """Whether anybody may have said anything below the issue."""
    review: int | None = None
    """The review that it is, or that its comment is a part of."""
    merged: bool = False
    repository: int = 0
    """The repository's own number, whatever its name is; 0 where it was not told."""

    @property
    def delivery_key(self) -> str:
        """Its name among deliveries.

        Parts of a review come one by one, and in any order: one that says nothing to us must not
        stand for one that does. What begins twice then is known by its key.
        """
        words = sorted({each.word for each in self.commands}) if self.kind == "review" else ()
        return ":".join((self.key, *words))[:_MOST_KEY]


def act_on_pull(repo: str, number: int, kind: Literal["checks", "conflicts"], key: str) -> Act:
    """What happened to a pull request without anybody's word."""
    return Act(
        key=key[:_MOST_KEY],
        kind=kind,
        repo=repo,
        number=number,
        is_pull=True,
        by="",
        at=0,
        place="issue",
        place_number=number,
    )


def comment_key(repo: str, comment: int) -> str:
    """The key of the act that a comment is, delivered or looked up."""
    return f"comment:{repo.lower()}:{comment}"


def review_key(repo: str, review: int) -> str:
    """The key of the act that a review is, with all its comments."""
    return f"review:{repo.lower()}:{review}"
