"""What a forge could not deliver."""

from typing import Protocol


class HookDeliveries(Protocol):
    """Deliveries of the account's own webhook."""

    async def redeliver_failed(self) -> int:
        """Have those sent again that nobody took, and count them.

        0 where the account is not told of its deliveries. Raises ForgeError.
        """
        ...
