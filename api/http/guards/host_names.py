"""Names of hosts in requests: which are this machine's, and which origin a page comes from."""

from typing import Final
from urllib.parse import urlsplit

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` value names this machine."""
    return without_port(host.lower()) in LOOPBACK_HOSTS


def without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` is the host asked for; a default port may be left out."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.removesuffix(default) == host.removesuffix(default)
