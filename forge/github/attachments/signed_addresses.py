"""Addresses of attachments: as texts on GitHub have them, and as it signs them for some minutes."""

import html
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

_SOURCE: Final = re.compile(r'<img\s[^<>]{0,1000}?\bsrc="([^"<>\s]{1,4000})"')
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PUBLIC_WEB: Final = "https://github.com"
_OLDER: Final = "https://user-images.githubusercontent.com"
_PUBLIC: Final = ("https://private-user-images.githubusercontent.com", _OLDER)


def is_attachment(address: str, web: str) -> bool:
    """Whether an address in a text is that of an attachment; `web` is where repositories lie."""
    homes = (f"{web}/", *((f"{_OLDER}/",) if web == _PUBLIC_WEB else ()))
    return address.startswith(homes) and _ID.search(address) is not None


def find_signed(rendered: str, web: str, addresses: Sequence[str]) -> list[str]:
    """For each address the one that serves it, by what GitHub made of the text; empty: none does.

    `web` is where repositories lie. Nothing but GitHub's own hosts is named.
    """
    sources = [html.unescape(found[1]) for found in _SOURCE.finditer(rendered)]
    served = [source for source in sources if _origin(source) in _origins(web)]
    return [_serving(address, served) for address in addresses]


def _serving(address: str, served: Sequence[str]) -> str:
    known = _ID.search(address)
    if known is None:
        return ""
    return next((each for each in served if known[0] in urlsplit(each).path), "")


def _origins(web: str) -> tuple[str, ...]:
    """Of an Enterprise it is the host itself, or its host of media."""
    if web == _PUBLIC_WEB:
        return _PUBLIC
    scheme, _, host = web.partition("://")
    return web, f"{scheme}://media.{host}"


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
