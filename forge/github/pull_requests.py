"""One pull request for one branch, however often it is asked for and whatever answers get lost."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from forge.core.retry import retry_transient
from forge.github.api_errors import Unprocessable
from forge.github.client import GitHub, Pull, PullText
from graph import Emit, RetryPolicy
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

_WRITE_ATTEMPTS: Final = 3
_EXTRA_S: Final = 90.0
"""So long is waited for what no run depends on."""


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

    return await retry_transient(
        attempt, what="opening the pull request", emit=emit, policy=_write_policy(github)
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

    pull = await retry_transient(
        attempt, what="updating the pull request", emit=emit, policy=_write_policy(github)
    )
    if not (ready and pull.draft):
        return pull
    done = await _tried(
        "the draft state", lambda: github.mark_ready(full_name, number), github, emit
    )
    return Pull(pull.number, pull.url, draft=not done)


async def add_extras(
    github: GitHub,
    full_name: str,
    number: int,
    labels: tuple[str, ...],
    reviewers: tuple[str, ...],
    emit: Emit,
) -> tuple[str, ...]:
    """Labels and reviewers; what GitHub refused is left out, and told a word each."""
    wanted: dict[str, tuple[tuple[str, ...], Callable[[], Awaitable[None]]]] = {
        "labels": (labels, lambda: github.add_labels(full_name, number, labels)),
        "reviewers": (reviewers, lambda: github.request_reviewers(full_name, number, reviewers)),
    }
    return tuple(
        [
            what
            for what, (names, write) in wanted.items()
            if names and not await _tried(what, write, github, emit)
        ]
    )


async def try_to_tell(
    github: GitHub, full_name: str, number: int, text: PullText, emit: Emit
) -> bool:
    """Whether the pull request now has this text, which no run depends on."""

    async def tell() -> None:
        await github.edit_pull(full_name, number, text)

    return await _tried("the text", tell, github, emit)


async def _create_marked(
    github: GitHub, full_name: str, base: str, head: str, text: PullText
) -> Pull:
    """A repository without drafts gets a normal pull request that says what it is."""
    marked = PullText(f"[Draft] {text.title}", text.body)
    try:
        return await github.create_pull(full_name, base, head, marked, draft=False)
    except Unprocessable as refused:
        raise refused.error from None


async def _tried(
    what: str, write: Callable[[], Awaitable[None]], github: GitHub, emit: Emit
) -> bool:
    """Whether a write that may be made twice came through; it is not waited for at any price."""

    async def attempt() -> None:
        try:
            await write()
        except Unprocessable as refused:
            raise refused.error from None

    policy = _write_policy(github)
    brief = replace(policy, total_s=min(policy.total_s, _EXTRA_S))
    try:
        await retry_transient(attempt, what=what, emit=emit, policy=brief)
    except CodingAgentError as error:
        log.warning("%s left out: %s", what, error.code)
        return False
    return True


def _write_policy(github: GitHub) -> RetryPolicy:
    policy = github.retry_policy
    return replace(policy, attempts=min(policy.attempts, _WRITE_ATTEMPTS))
