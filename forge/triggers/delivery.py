"""What a delivery of GitHub tells, as acts; only the fields that are read are looked at."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forge.triggers.act import Act, act_on_pull, comment_key, review_key
from forge.triggers.commands import Command, read_commands
from graph.errors import InvalidRequest

_MOST_CHARACTERS: Final = 65_536
_MOST_KEY: Final = 400
_LONGEST_SHA: Final = 64
_MOST_PULLS: Final = 20
_SHA: Final = re.compile(r"[0-9a-f]{40,64}")
_BRANCH: Final = "refs/heads/"
_LOGIN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?$"
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _User(_Model):
    login: str = Field(pattern=_LOGIN)
    type: str = ""


class _Repository(_Model):
    full_name: str = Field(pattern=_NAME)
    id: int = 0


class _Label(_Model):
    name: str


class _Issue(_Model):
    number: int
    title: str = ""
    body: str | None = None
    user: _User | None = None
    updated_at: datetime
    comments: int | None = None
    pull_request: dict[str, object] | None = None


class _Comment(_Model):
    id: int
    body: str | None = None
    created_at: datetime
    pull_request_review_id: int | None = None


class _Review(_Model):
    id: int
    body: str | None = None
    state: str
    submitted_at: datetime


class _Pull(_Model):
    number: int
    title: str = ""
    body: str | None = None
    user: _User | None = None
    updated_at: datetime
    merged: bool | None = None


class _Numbered(_Model):
    number: int


class _Suite(_Model):
    id: int
    head_sha: str
    status: str | None = None
    updated_at: datetime
    pull_requests: tuple[_Numbered, ...] = ()


class _Told(_Model):
    """The parts of all deliveries that are read here; that of a push names no action."""

    action: str = ""
    sender: _User
    repository: _Repository
    issue: _Issue | None = None
    label: _Label | None = None
    comment: _Comment | None = None
    review: _Review | None = None
    pull_request: _Pull | None = None
    check_suite: _Suite | None = None
    id: int = 0
    sha: str = ""
    state: str = ""
    ref: str = ""
    after: str = ""
    deleted: bool = False


def read_acts(event: str, delivery: str, body: bytes, *, label: str) -> tuple[Act, ...]:
    """The acts that a delivery tells of; none where it can begin nothing.

    `label` is the one that begins a run. What a bot did is no act. Raises InvalidRequest where the
    body is not what GitHub sends. Reads up to 25 MB, so it belongs in a thread.
    """
    if event not in EVENTS:
        return ()
    try:
        told = _Told.model_validate_json(body)
    except ValidationError:
        raise InvalidRequest(f"The delivery of {event[:50]!a} is not as GitHub sends it.") from None
    of_bot = told.sender.type == "Bot" or told.sender.login.endswith("[bot]")
    if of_bot and event not in _NOBODYS:
        return ()
    if event == _CHECKS:
        return _checked(told)
    act = _READERS[event](told, delivery, label)
    return (act,) if act else ()


def _labeled(told: _Told, _delivery: str, label: str) -> Act | None:
    """One act, though the App and a webhook of the repository each tell of it."""
    named = told.label and told.label.name.lower() == label.lower()
    issue = told.issue
    if told.action != "labeled" or not named or issue is None or issue.pull_request is not None:
        return None
    at = issue.updated_at
    key = f"label:{told.repository.full_name.lower()}#{issue.number}:{at.timestamp():.0f}"
    return _act(told, issue, kind="label", key=key, at=at)


def _commented(told: _Told, _delivery: str, _label: str) -> Act | None:
    issue, comment = told.issue, told.comment
    if told.action != "created" or issue is None or comment is None:
        return None
    commands = read_commands(comment.body or "")
    if not commands:
        return None
    key = comment_key(told.repository.full_name, comment.id)
    act = _act(told, issue, kind="comment", key=key, at=comment.created_at)
    return _saying(act, comment.body, commands).model_copy(
        update={"place": "comment", "place_number": comment.id}
    )


def _reviewed(told: _Told, _delivery: str, _label: str) -> Act | None:
    """A review counts once, whether it is told of by itself or by its comments."""
    pull, review = told.pull_request, told.review
    if told.action != "submitted" or pull is None or review is None:
        return None
    commands = read_commands(review.body or "")
    if not commands and review.state.lower() != "changes_requested":
        return None
    key = review_key(told.repository.full_name, review.id)
    act = _act(told, pull, kind="review", key=key, at=review.submitted_at)
    return _saying(act, review.body, commands).model_copy(update={"review": review.id})


def _review_commented(told: _Told, _delivery: str, _label: str) -> Act | None:
    pull, comment = told.pull_request, told.comment
    if told.action != "created" or pull is None or comment is None:
        return None
    commands = read_commands(comment.body or "")
    if not commands:
        return None
    review = comment.pull_request_review_id
    key = review_key(told.repository.full_name, review or comment.id)
    act = _act(told, pull, kind="review", key=key, at=comment.created_at)
    return _saying(act, comment.body, commands).model_copy(
        update={"place": "review_comment", "place_number": comment.id, "review": review}
    )


def _closed(told: _Told, delivery: str, _label: str) -> Act | None:
    pull = told.pull_request
    if told.action != "closed" or pull is None:
        return None
    act = _act(told, pull, kind="closed", key=delivery, at=pull.updated_at)
    return act.model_copy(update={"merged": bool(pull.merged)})


def _checked(told: _Told) -> tuple[Act, ...]:
    """Checks ended, for each pull request of their commit; those of a fork's name none."""
    suite = told.check_suite
    if told.action != "completed" or suite is None:
        return ()
    repo = told.repository.full_name
    key = f"suite:{repo.lower()}:{suite.id}:{suite.updated_at.timestamp():.0f}"
    if not suite.pull_requests and _SHA.fullmatch(suite.head_sha):
        return (_of_no_thread(told, "status", key, suite.head_sha),)
    numbers = dict.fromkeys(each.number for each in suite.pull_requests[:_MOST_PULLS])
    return tuple(act_on_pull(repo, number, "checks", f"{key}#{number}") for number in numbers)


def _pushed(told: _Told, _delivery: str, _label: str) -> Act | None:
    """A branch moved, to which pull requests may go."""
    if told.deleted or not told.ref.startswith(_BRANCH):
        return None
    repo, branch = told.repository.full_name, told.ref.removeprefix(_BRANCH)
    key = f"push:{repo.lower()}:{told.after[:_LONGEST_SHA]}:{branch}"
    return _of_no_thread(told, "pushed", key, branch[:_MOST_CHARACTERS])


def _judged(told: _Told, _delivery: str, _label: str) -> Act | None:
    """A status of a commit came to its end; each has a number of its own."""
    if told.state in ("", _PENDING) or not _SHA.fullmatch(told.sha):
        return None
    key = f"status:{told.repository.full_name.lower()}:{told.id}"
    return _of_no_thread(told, "status", key, told.sha)


def _of_no_thread(told: _Told, kind: Literal["pushed", "status"], key: str, text: str) -> Act:
    return Act(
        key=key[:_MOST_KEY],
        kind=kind,
        repo=told.repository.full_name,
        number=0,
        is_pull=False,
        by=told.sender.login,
        at=0,
        place="issue",
        place_number=0,
        text=text,
    )


_PENDING: Final = "pending"
_CHECKS: Final = "check_suite"
_STATUS: Final = "status"
_PUSH: Final = "push"
_CLOSED: Final = "pull_request"
_NOBODYS: Final = frozenset((_CHECKS, _STATUS, _PUSH, _CLOSED))
"""Events that count whoever caused them, such as a queue that merges: they are nobody's word."""
_READERS: Final[dict[str, Callable[[_Told, str, str], Act | None]]] = {
    "issues": _labeled,
    "issue_comment": _commented,
    "pull_request_review": _reviewed,
    "pull_request_review_comment": _review_commented,
    _CLOSED: _closed,
    _STATUS: _judged,
    _PUSH: _pushed,
}
EVENTS: Final = (*_READERS, _CHECKS)
"""Events that the service subscribes to."""


def _act(
    told: _Told,
    about: _Issue | _Pull,
    *,
    kind: Literal["label", "comment", "review", "closed"],
    key: str,
    at: datetime,
) -> Act:
    of_pull = isinstance(about, _Pull) or about.pull_request is not None
    return Act(
        key=key,
        kind=kind,
        repo=told.repository.full_name,
        number=about.number,
        is_pull=of_pull,
        by=told.sender.login,
        at=at.timestamp(),
        place="issue",
        place_number=about.number,
        issue_title=about.title[:_MOST_CHARACTERS],
        issue_text=(about.body or "")[:_MOST_CHARACTERS],
        issue_author=about.user.login if about.user else "",
        has_comments=not (isinstance(about, _Issue) and about.comments == 0),
        repository=told.repository.id,
    )


def _saying(act: Act, text: str | None, commands: tuple[Command, ...]) -> Act:
    return act.model_copy(update={"text": (text or "")[:_MOST_CHARACTERS], "commands": commands})
