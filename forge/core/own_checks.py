"""Checks that the account makes itself: pages that a forge shows beside a commit's other checks."""

from dataclasses import dataclass
from typing import Final, Protocol

RECEIPT_CHECK: Final = "coding-agent receipt"
"""The name of the check whose page is a receipt."""
PROGRESS_CHECK: Final = "coding-agent run"
"""That of the check which shows how far a run is that goes on with a pull request."""
OWN_CHECKS: Final = (RECEIPT_CHECK, PROGRESS_CHECK)


@dataclass(frozen=True)
class OwnCheck:
    """A check with its page; `author` is the name of the account that made it."""

    number: int
    author: str
    page: str
    ended: bool


class OwnChecks(Protocol):
    """One account's own checks. `full_name` is OWNER/NAME.

    Every method raises ForgeError or RepositoryError.
    """

    @property
    def makes_checks(self) -> bool:
        """Whether the account is of a kind that may make checks."""
        ...

    async def begin_check(self, full_name: str, commit: str, name: str, title: str) -> int:
        """Show a check that is under way; its number."""
        ...

    async def show_check(self, full_name: str, check: int, title: str) -> None:
        """Give a check that is under way another title."""
        ...

    async def end_check(self, full_name: str, check: int, title: str, page: str) -> None:
        """End a check, neither passed nor failed; the last page counts."""
        ...

    async def checks_named(self, full_name: str, commit: str, name: str) -> list[OwnCheck]:
        """Checks of a commit, anybody's, the newest first, at most a hundred."""
        ...
