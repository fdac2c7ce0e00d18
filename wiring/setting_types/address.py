"""Addresses of services that are called."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from forge.core import is_loopback

_UNSENDABLE: Final = re.compile(r"[\s\x00-\x20\x7f]")


def check_address(text: str) -> None:
    """Raise ValueError for an address that no client would call."""
    if _UNSENDABLE.search(text):  # urlsplit would drop some of them
        raise ValueError("takes an address without spaces and line breaks")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("takes an address such as https://host.example")
    try:
        known = parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("takes an address whose port is a number from 1 to 65535")


def _url(value: object) -> object:
    """An http(s) address without user, query and trailing slash."""
    text = str(value).strip()
    check_address(text)
    parts = urlsplit(text)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("takes an address without user, query and fragment")
    return text.rstrip("/")


def _guarded_url(value: object) -> object:
    """An address that secrets may be sent to: plain http never leaves the machine."""
    url = _url(value)
    parts = urlsplit(str(url))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("takes https; http only for a loopback host")
    return url


Address = Annotated[str, BeforeValidator(_url)]
GuardedAddress = Annotated[str, BeforeValidator(_guarded_url)]
