"""The hosts that set-up may reach, and which of their addresses count as theirs.

`NAME` is reached at port 443 and on public addresses alone. `NAME:PORT` is the operator's word that
this host may be one of his own network or of this machine, too.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

TLS_PORT: Final = 443
METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"),
    )
)
"""Where clouds tell a machine its own credentials: never reached, whatever is named."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class SetupHost:
    """One host; `internal`: also where its addresses are not public."""

    name: str
    port: int = TLS_PORT
    internal: bool = False

    @classmethod
    def parse(cls, text: str) -> "SetupHost":
        """`NAME` or `NAME:PORT`."""
        name, colon, port = text.strip().lower().rstrip(".").partition(":")
        return cls(name, int(port) if colon else TLS_PORT, bool(colon))

    def may_be(self, address: str) -> bool:
        """Whether the host is connected to where its name resolves to this address."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:  # with a scope: link-local
            return False
        return all(map(self._allows, _unwrap_ipv4(parsed)))

    def _allows(self, address: Address) -> bool:
        if address in METADATA or address.is_link_local:
            return False
        if address.is_multicast or address.is_unspecified:
            return False
        return self.internal or address.is_global


def find_host(hosts: Iterable[SetupHost], name: str, port: int) -> SetupHost | None:
    """The named host that is asked for; the explicit entry wins."""
    found = [host for host in hosts if (host.name, host.port) == (name, port)]
    return max(found, key=lambda host: host.internal, default=None)


def _unwrap_ipv4(address: Address) -> Iterator[Address]:
    """An address, and those of IPv4 that it wraps."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
        yield from (inner for inner in wrapped if inner is not None)
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
