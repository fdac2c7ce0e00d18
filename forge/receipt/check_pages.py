"""A check of ours on the head of a pull request: under way, then neutral with a page."""

import logging
from dataclasses import dataclass
from typing import Final

from forge.core.forge import Forge
from forge.core.own_checks import RECEIPT_CHECK
from forge.receipt.page import ReceiptText
from graph.calls import acquire
from graph.errors import CodingAgentError, ForgeUnavailable

log = logging.getLogger(__name__)

_UNDER_WAY: Final = "The commit is pushed; the pull request follows."

_NO_PAGE: Final = "The page of the receipt could not be shown here."


@dataclass(frozen=True)
class CheckPages:
    """Checks of one name in one repository OWNER/NAME. No run depends on them."""

    forge: Forge
    full_name: str
    name: str = RECEIPT_CHECK
    under_way: str = _UNDER_WAY
    """Its title at first."""
    left: str = "The pull request does not follow: stopped"
    """The title of one that was begun while the run was stopped."""

    async def begin(
        self, commit: str, base_branch: str, account: str, *, maybe_there: bool
    ) -> int | None:
        """The number of a check under way; None where none is to be had.

        None is made where a check of that name is required: it would pass for one of somebody
        else's. `maybe_there`: the `account` may have made it before.
        """
        try:
            if maybe_there and (known := await self._find(commit, account)):
                return known
            if self.name in await self.forge.required_checks(self.full_name, base_branch):
                log.warning("%s requires %r, so none is made", self.full_name, self.name)
                return None
            return await acquire(self._make(commit, account), self._leave)
        except CodingAgentError as error:
            log.warning("there is no check of %s: %s", commit[:10], error.code)
            return None

    async def _make(self, commit: str, account: str) -> int | None:
        try:
            return await self.forge.begin_check(self.full_name, commit, self.name, self.under_way)
        except ForgeUnavailable:  # it may be there all the same
            return await self._find(commit, account)

    async def end(self, check: int, text: ReceiptText) -> bool:
        """Whether the check has ended with this receipt; where its page is refused, without it."""
        if await self._end(check, text.title, text.marked):
            return True
        await self._end(check, text.title, _NO_PAGE)
        return False

    async def give_up(self, check: int, title: str) -> None:
        """End a check whose receipt does not follow; the title says why."""
        await self._end(check, title, f"{title}. The run can be resumed.")

    async def show(self, check: int, title: str) -> None:
        """Say how far it is."""
        try:
            await self.forge.show_check(self.full_name, check, title)
        except CodingAgentError as error:
            log.warning("the check %s does not show how far it is: %s", check, error.code)

    async def close(self, check: int, title: str) -> None:
        """End a check that has no page of its own."""
        await self._end(check, title, title)

    async def _leave(self, check: int | None) -> None:
        """End one whose number nobody takes."""
        if check is not None:
            await self.give_up(check, self.left)

    async def _end(self, check: int, title: str, page: str) -> bool:
        try:
            await self.forge.end_check(self.full_name, check, title, page)
        except CodingAgentError as error:
            log.warning("the check %s is not brought up to date: %s", check, error.code)
            return False
        return True

    async def _find(self, commit: str, account: str) -> int | None:
        found = await self.forge.checks_named(self.full_name, commit, self.name)
        return next((check.number for check in found if check.author == account), None)
