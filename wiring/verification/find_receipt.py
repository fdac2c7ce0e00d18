"""The receipt of a pull request: the one that the account showed which opened it."""

from dataclasses import dataclass
from typing import Final

from forge.core import Forge, PullFacts
from forge.receipt import MARK, PURPOSE, Receipt, is_receipt, read_page
from forge.signing import SigningKey

_MOST_COMMENTS: Final = 300


@dataclass(frozen=True)
class FoundReceipt:
    """A receipt with its signature; None where there is none. `notes`: what else was there."""

    receipt: Receipt | None
    signature: str = ""
    notes: tuple[str, ...] = ()


async def find_receipt(forge: Forge, full_name: str, pull: PullFacts) -> FoundReceipt:
    """The newest of the comments, else what is folded below the pull request's text.

    One that somebody else wrote is none, whatever it says. Raises ForgeError, RepositoryError.
    """
    said = await forge.comments(full_name, pull.number, _MOST_COMMENTS)
    marked = [each for each in said if is_receipt(each.body)]
    others = dict.fromkeys(each.author for each in marked if each.author != pull.author)
    notes = tuple(f"That of {name} is not looked at: {pull.author} opened it." for name in others)
    pages = [each.body for each in reversed(marked) if each.author == pull.author]
    if not pages:
        text = await forge.issue_text(full_name, pull.number)
        pages = [mark + rest for _, mark, rest in [text.body.partition(MARK)] if mark]
    read = next((found for page in pages if (found := read_page(page))), None)
    return FoundReceipt(read[0], read[1], notes) if read else FoundReceipt(None, notes=notes)


async def judge_signature(found: FoundReceipt, key: SigningKey | None) -> tuple[str, str]:
    """A fault and a note, of which one may be empty. Raises SigningFailed."""
    if found.receipt is None:
        return "", ""
    if not found.signature:
        return ("It is not signed, and there is a key.", "") if key else ("", "It is not signed.")
    if key is None:
        return "", "It is signed; without CODING_AGENT_SIGNING_KEY_FILE nobody knows by whom."
    if await key.verify(found.receipt.canonical, found.signature, PURPOSE):
        return "", "It is signed by the key of CODING_AGENT_SIGNING_KEY_FILE."
    return "Its signature is not that of the key of CODING_AGENT_SIGNING_KEY_FILE.", ""
