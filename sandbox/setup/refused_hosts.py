"""Hosts that set-up asked for, or that the repository names, and that are not opened for it."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from graph import LeftOut
from sandbox.ecosystems.install_script import parse_report
from sandbox.egress.allowlist import SetupHost, find_host
from sandbox.egress.connect_proxy import UNNAMED

_MARK: Final = "refused:"
_MOST: Final = 5
_HOST: Final = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?)(?::(?P<port>\d{1,5}))?"
)
_DENIED: Final = re.compile(rf"(\S+?)(?::443)? {re.escape(UNNAMED)}")


def refused_report(
    named: Iterable[str], denied: Iterable[str], hosts: tuple[SetupHost, ...]
) -> bytes:
    """A report of steps: of `named` hosts those that are not open, and what the proxy `denied`."""
    asked = (match[1] for match in map(_DENIED.fullmatch, denied) if match)
    closed = [host for host in named if _is_closed(host, hosts)]
    found = [host for host in dict.fromkeys((*closed, *asked)) if _HOST.fullmatch(host)]
    return "".join(f"{_MARK}{host}\0000\0000\0 \0" for host in found[:_MOST]).encode()


def refused_in(report: bytes) -> Iterator[LeftOut]:
    """What a report says of hosts, with the line that opens them."""
    for name in parse_report(report):
        host = name.removeprefix(_MARK)
        if host != name and _HOST.fullmatch(host):
            yield LeftOut(
                what=host,
                why="Set-up does not reach this host: the repository names it or a command asks for"
                f" it, and the operator does not. To open it: CODING_AGENT_SETUP_HOSTS=auto,{host}",
            )


def _is_closed(host: str, hosts: tuple[SetupHost, ...]) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and find_host(hosts, match["name"], int(match["port"] or 443)) is None
