"""One pull request for one branch, however often it is asked for and whatever answers get lost."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from forge.github import GitHub, Pull, PullText
from forge.github_refusal import Unprocessable
from forge.retries import Patience, Transient, repeated
from graph.errors import CodingAgentError
from graph.events import Emit

log = logging.getLogger(__name__)

_WRITE_TRIES: Final = 3


async def open_pull(
    github: GitHub,
    full_name: str,
    base: str,
    head: str,
    text: PullText,
    *,
    draft: bool,
    emit: Emit,
) -> Pull:
    """The open pull request from `head` to `base`: the one that is there, or a new one.

    `head` is a branch, or `OWNER:BRANCH` in a fork.
    """

    async def attempt() -> Pull:
        if found := await github.find_pull(full_name, base, head, emit):
            return found
        try:
            return await github.create_pull(full_name, base, head, text, draft=draft)
        except Unprocessable as refused:
            if found := await github.find_pull(full_name, base, head, emit):
                return found
            if not draft or refused.fields:
                raise refused.error from None
        return await _create_marked(github, full_name, base, head, text)

    return await repeated(
        attempt, what="opening the pull request", emit=emit, patience=_write_patience(github)
    )


async def update_pull(
    github: GitHub, full_name: str, number: int, text: PullText, *, ready: bool, emit: Emit
) -> Pull:
    """Replace title and body; `ready` ends a draft where the repository has drafts."""

    async def attempt() -> Pull:
        try:
            return await github.edit_pull(full_name, number, text)
        except Unprocessable as refused:
            raise refused.error from None

    pull = await repeated(
        attempt, what="updating the pull request", emit=emit, patience=_write_patience(github)
    )
    if not (ready and pull.draft):
        return pull
    done = await _tried("draft state", lambda: github.mark_ready(full_name, number))
    return Pull(pull.number, pull.url, draft=not done)


async def add_extras(
    github: GitHub,
    full_name: str,
    number: int,
    labels: tuple[str, ...],
    reviewers: tuple[str, ...],
) -> tuple[str, ...]:
    """Labels and reviewers; what GitHub refused is left out, and told a word each."""
    left = []
    if labels and not await _tried("labels", lambda: github.add_labels(full_name, number, labels)):
        left.append("labels")
    if reviewers and not await _tried(
        "reviewers", lambda: github.request_reviewers(full_name, number, reviewers)
    ):
        left.append("reviewers")
    return tuple(left)


async def try_to_tell(github: GitHub, full_name: str, number: int, text: PullText) -> bool:
    """Whether the pull request now has this text, which no run depends on."""

    async def tell() -> None:
        await github.edit_pull(full_name, number, text)

    return await _tried("text", tell)


async def _create_marked(
    github: GitHub, full_name: str, base: str, head: str, text: PullText
) -> Pull:
    """A repository without drafts gets a normal pull request that says what it is."""
    marked = PullText(f"[Draft] {text.title}", text.body)
    try:
        return await github.create_pull(full_name, base, head, marked, draft=False)
    except Unprocessable as refused:
        raise refused.error from None


async def _tried(what: str, write: Callable[[], Awaitable[None]]) -> bool:
    try:
        await write()
    except (Transient, Unprocessable) as refused:
        log.warning("%s left out: %s", what, refused.error.code)
        return False
    except CodingAgentError as error:
        log.warning("%s left out: %s", what, error.code)
        return False
    return True


def _write_patience(github: GitHub) -> Patience:
    patience = github.patience
    return Patience(min(patience.tries, _WRITE_TRIES), patience.total_s, patience.first_s)
