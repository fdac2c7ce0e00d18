"""What takes deliveries in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Inbox(Protocol):
    """Keeps deliveries until they are worked off."""

    async def take(self, event: str, delivery: str, body: bytes) -> None:
        """Keep one, once for each name. It is durable when this returns.

        Raises InvalidRequest where the body is not what the forge sends, StoreError.
        """
        ...


@dataclass(frozen=True)
class DeliveryInbox:
    """An inbox, and the secrets that deliveries to it are signed with: one, or two for a change."""

    inbox: Inbox
    secrets: Sequence[str]
