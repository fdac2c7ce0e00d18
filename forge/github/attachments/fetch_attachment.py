"""One attachment of GitHub, fetched without the token: its address is signed."""

import asyncio
from typing import Final

import httpx

from forge.core.conversations import Attachment
from forge.github.connection import make_storage_client

_TIMEOUT_S: Final = 20.0


async def fetch_attachment(
    address: str, most_bytes: int, timeout_s: float = _TIMEOUT_S
) -> Attachment:
    """The content as it is; no redirect is followed. What does not come says why.

    Raises ForgeUnavailable where nothing at all can be fetched.
    """
    try:
        async with (
            asyncio.timeout(timeout_s),
            make_storage_client() as client,
            client.stream("GET", address, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.is_redirect:
                return Attachment(problem="its address leads elsewhere")
            if answer.status_code != httpx.codes.OK:
                return Attachment(problem=f"GitHub answers {answer.status_code}")
            content = bytearray()
            async for part in answer.aiter_raw():
                content += part
                if len(content) > most_bytes:
                    return Attachment(problem=f"it is larger than {most_bytes >> 20} MB")
    except TimeoutError:
        return Attachment(problem="it did not come in time")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Attachment(problem=f"it did not come ({type(error).__name__})")
    return Attachment(bytes(content))
