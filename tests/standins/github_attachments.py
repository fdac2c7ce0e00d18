"""Attachments as GitHub has them: shown at signed addresses, which end after some minutes."""

import asyncio
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

FULL: Final = "application/vnd.github.full+json"
LIVES_S: Final = 300.0
_KEY: Final = secrets.token_bytes(16)
_SHOWN: Final = re.compile(r"!\[[^\]\n]*\]\(\S*/user-attachments/assets/([0-9a-f-]{36})\)")


@dataclass(frozen=True)
class HostedAttachment:
    """A file, and how it is served. `lives_s`: so long a signed address serves it."""

    content: bytes
    status: int = 200
    moved_to: str = ""
    delay_s: float = 0.0
    lives_s: float = LIVES_S

    async def answer(self, request: Request) -> Response:
        """Nobody who signs in, or comes late, is served."""
        name = request.path_params["id"]
        until, _, signature = request.query_params.get("jwt", "").partition(".")
        signed = hmac.compare_digest(signature, _sign(name, until))
        if not signed or float(until) < time.time() or "authorization" in request.headers:
            return Response(status_code=404)
        await asyncio.sleep(self.delay_s)
        if self.moved_to:
            return Response(status_code=302, headers={"Location": self.moved_to})
        return Response(self.content, self.status)


def show_attachments(folder: str, attachments: dict[str, HostedAttachment], text: str) -> str:
    """A text as HTML, as far as pictures go; `folder` is the address below which they are."""

    def shown(found: re.Match[str]) -> str:
        name = found[1]
        known = attachments.get(name)
        until = f"{int(time.time() + (known.lives_s if known else LIVES_S))}"
        address = f"{folder}/{name}?from=issue&amp;jwt={until}.{_sign(name, until)}"
        return f'<a href="{address}"><img width="20" alt="shot" src="{address}"></a>'

    return f"<p>{_SHOWN.sub(shown, text)}</p>"


def _sign(name: str, until: str) -> str:
    return hmac.new(_KEY, f"{name} {until}".encode(), "sha256").hexdigest()
