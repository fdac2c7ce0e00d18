"""What a run has published so far, kept in its folder so that no step is made twice."""

from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError

from graph import RunFolder, Value
from graph.errors import StoreDamaged
from graph.files import write_whole


class PublicationRecord(Value):
    """The newest commit, how far it came, and the pull request.

    `pushed` is the newest commit known to be on the branch; `fork` the full name of the fork that
    the branch is in, if it is in one.
    """

    commit: str = ""
    tree: str = ""
    pushed: str = ""
    opened_text: str = Field("", validation_alias=AliasChoices("opened_text", "opened_with"))
    """SHA-256 of what the pull request told when it was opened."""
    first_commit: str = Field("", validation_alias=AliasChoices("first_commit", "opened_with"))
    """The commit that a checkout's branch was made with."""
    fork: str = ""
    branch: str = ""
    """The branch's name, settled before the first push; empty in records of before."""
    rejected_extras: tuple[str, ...] = Field(
        (), validation_alias=AliasChoices("rejected_extras", "left_out")
    )
    """What the pull request says that the forge rejected: `labels`, `reviewers`."""
    review_begun: bool = False
    reviewed: bool = False
    """Whether the review of a run that only reviews is there; where it was begun, it may be."""
    answered: tuple[int, ...] = ()
    """Comments of a review that were answered in their threads, or may have been."""
    check: int | None = None
    """The check on `checked`, which shows the receipt; None where there is none, or it is not
    known yet."""
    checked: str = ""
    """The commit that a check was begun of."""
    receipt: int | None = None
    """Where else the receipt is shown, as its place knows it."""
    number: int | None = None
    url: str | None = None

    @property
    def maybe_pushed(self) -> bool:
        """Whether the newest commit may be on the branch or not."""
        return bool(self.commit) and self.pushed != self.commit


def load(run: RunFolder) -> PublicationRecord:
    """The run's record, empty where nothing was published. Raises StoreDamaged."""
    path = _path(run)
    try:
        return PublicationRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return PublicationRecord()
    except (OSError, ValidationError) as error:
        raise StoreDamaged(f"{path.name} of the run cannot be read.") from error


def save(run: RunFolder, record: PublicationRecord) -> None:
    """Keep the record, whole."""
    write_whole(_path(run), record.model_dump_json().encode())


def _path(run: RunFolder) -> Path:
    return run.root / "publication.json"
