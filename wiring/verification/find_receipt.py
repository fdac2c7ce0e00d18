"""The receipt of a pull request: the one that the account showed which opened it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from forge.core import RECEIPT_CHECK, Forge, OwnCheck, PullFacts
from forge.receipt import MARK, Receipt, is_receipt, read_page
from graph.errors import ForgeForbidden, RepositoryNotFound

_MOST_COMMENTS: Final = 300


@dataclass(frozen=True)
class FoundReceipt:
    """A receipt with its signature; None where there is none. `notes`: what else was there."""

    receipt: Receipt | None
    signature: str = ""
    notes: tuple[str, ...] = ()


async def find_receipt(forge: Forge, full_name: str, pull: PullFacts, head: str) -> FoundReceipt:
    """The newest check of the commit `head`, else the newest comment, else what is folded below
    the pull request's text.

    One that somebody else wrote is none, whatever it says. Raises ForgeError, RepositoryError.
    """
    checks = await _find_checks(forge, full_name, head)
    said = await forge.comments(full_name, pull.number, _MOST_COMMENTS)
    pages = [(each.author, each.page) for each in checks]
    pages += [(each.author, each.body) for each in reversed(said)]
    marked = [(author, page) for author, page in pages if is_receipt(page)]
    others = dict.fromkeys(author for author, _ in marked if author != pull.author)
    notes = tuple(f"That of {name} is not looked at: {pull.author} opened it." for name in others)
    theirs = [page for author, page in marked if author == pull.author]
    read = _read_first(theirs)
    if not theirs:
        text = await forge.issue_text(full_name, pull.number)
        _, mark, rest = text.body.partition(MARK)
        read = _read_first([mark + rest])
    return FoundReceipt(read[0], read[1], notes) if read else FoundReceipt(None, notes=notes)


async def _find_checks(forge: Forge, full_name: str, head: str) -> list[OwnCheck]:
    """None where the token may not read checks: a person's often may not."""
    try:
        return await forge.checks_named(full_name, head, RECEIPT_CHECK)
    except (ForgeForbidden, RepositoryNotFound):
        return []


def _read_first(pages: Iterable[str]) -> tuple[Receipt, str] | None:
    return next((found for page in pages if (found := read_page(page))), None)
