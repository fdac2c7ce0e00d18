"""The requests that acts make of runs."""

from collections.abc import Awaitable, Callable
from typing import Final

from forge.core import Forge
from forge.triggers import Act, write_prompt, write_pull_prompt
from graph import RunRequest

_MOST_COMMENTS: Final = 100


async def write_request(
    act: Act,
    forge: Forge,
    *,
    web: str,
    login: str,
    words: frozenset[str],
    may_write: Callable[[str], Awaitable[bool]],
) -> RunRequest | None:
    """A run's request; None where nobody who may write has said what to do.

    `login` is ours: what we said ourselves does not count. Raises ForgeError, RepositoryError.
    """
    address = f"{web}/{act.repo}"
    if act.is_pull:
        prompt = await write_message(act, forge, words)
        pull = f"{address}/pull/{act.number}"
        request = RunRequest(repo_url=address, prompt=prompt, pull_request_url=pull)
    else:
        found = await forge.comments(act.repo, act.number, _MOST_COMMENTS)
        theirs = [each for each in found if each.author != login]
        prompt = await write_prompt(act, theirs, may_write, words)
        request = RunRequest(repo_url=address, prompt=prompt, reviewers=[act.by], closes=act.number)
    return request if prompt else None


async def write_message(act: Act, forge: Forge, words: frozenset[str]) -> str:
    """What a comment or a whole review asks for; empty where that is nothing.

    Raises ForgeError, RepositoryError.
    """
    review = act.review
    said = await forge.review_words(act.repo, act.number, review) if review else []
    return write_pull_prompt(act, said, words)
