"""Where a receipt is shown: a comment of the pull request, brought up to date in place."""

import logging
from dataclasses import dataclass
from typing import Protocol

from forge.core.conversations import find_comment
from forge.core.forge import Forge
from forge.receipt.page import is_receipt
from graph.errors import CodingAgentError, RepositoryNotFound

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceiptPage:
    """The page for pull request `number` of a repository OWNER/NAME, whose head is `commit`.

    It takes the place of one that the account `author` showed in an earlier run, if one is named.
    """

    full_name: str
    number: int
    commit: str
    text: str
    author: str = ""


class ReceiptPlace(Protocol):
    """Shows receipts of pull requests."""

    async def show(self, page: ReceiptPage, known: int | None) -> int | None:
        """Show a page; `known` is what was returned when it was shown before.

        None where the forge refused it: no run depends on it.
        """
        ...


@dataclass(frozen=True)
class CommentPlace(ReceiptPlace):
    """One comment a pull request."""

    forge: Forge

    async def show(self, page: ReceiptPage, known: int | None) -> int | None:
        try:
            if known is None and page.author:
                known = await find_comment(
                    self.forge, page.full_name, page.number, page.author, is_receipt
                )
            if known is not None and await self._edited(known, page):
                return known
            return await self.forge.create_comment(page.full_name, page.number, page.text)
        except CodingAgentError as error:
            log.warning("the receipt of #%s is not shown: %s", page.number, error.code)
            return None

    async def _edited(self, comment: int, page: ReceiptPage) -> bool:
        """Whether the comment is still there, and now says this."""
        try:
            await self.forge.edit_comment(page.full_name, comment, page.text)
        except RepositoryNotFound:
            return False
        return True
