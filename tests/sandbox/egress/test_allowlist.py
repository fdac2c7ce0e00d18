"""Which hosts, and which of their addresses, set-up may reach."""

import pytest

from sandbox.egress.allowlist import SetupHost, find_host

PRIVATE = [
    "10.1.2.3", "192.168.1.1", "172.16.0.9", "127.0.0.1", "100.64.0.1", "0.0.0.0", "::1", "::",
    "fd12::1", "203.0.113.7", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::1",
    "64:ff9b::a00:1", "224.0.0.1", "ff02::1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.0.9", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "100.100.100.200",
    "168.63.129.16", "255.255.255.255x", "",
]  # fmt: skip


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe"])
def test_a_public_address_is_reached(address: str) -> None:
    assert SetupHost.parse("a.example").may_be(address)


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_a_name_alone_is_not_reached_within_a_network(address: str) -> None:
    assert not SetupHost.parse("a.example").may_be(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1", "fd12::1", "203.0.113.7"])
def test_with_its_port_a_host_may_be_internal(address: str) -> None:
    assert SetupHost.parse("a.example:443").may_be(address)


@pytest.mark.parametrize("address", [*NEVER, "0.0.0.0", "::", "224.0.0.1"])
def test_metadata_and_link_local_addresses_are_never_reached(address: str) -> None:
    assert not SetupHost.parse("a.example:443").may_be(address)


def test_a_host_is_found_by_name_and_port() -> None:
    hosts = tuple(map(SetupHost.parse, ("A.example.", "b.example:8443", "b.example")))
    assert find_host(hosts, "a.example", 443) == SetupHost("a.example")
    assert find_host(hosts, "b.example", 8443) == SetupHost("b.example", 8443, internal=True)
    for name, port in (("a.example", 8443), ("x.a.example", 443), ("example", 443)):
        assert find_host(hosts, name, port) is None
