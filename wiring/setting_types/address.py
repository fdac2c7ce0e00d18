"""Addresses of services that are called."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from forge.core import is_loopback


def _url(value: object) -> object:
    """An http(s) address without user, query and trailing slash."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("takes an address such as https://host.example")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("takes an address without user, query and fragment")
    return str(value).rstrip("/")


def _guarded_url(value: object) -> object:
    """An address that secrets may be sent to: plain http never leaves the machine."""
    url, parts = _url(value), urlsplit(str(value))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("takes https; http only for a loopback host")
    return url


Address = Annotated[str, BeforeValidator(_url)]
GuardedAddress = Annotated[str, BeforeValidator(_guarded_url)]
