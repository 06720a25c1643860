"""The table of threat T6: which addresses are the public internet."""

import socket

import pytest

from wfe_mcp.tools.http import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "localhost",
        "",
    ],
)
@pytest.mark.attack("an address inside, written as one of the public internet", "held", "T6")
def test_what_is_not_the_public_internet_is_distinguished(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2001:4860:4860::8888", "::ffff:1.1.1.1"]
)
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("written", ["2130706433", "0x7f.1", "127.1"])
def test_other_ways_to_write_loopback_resolve_to_what_is_distinguished(written: str) -> None:
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(written, 80, type=socket.SOCK_STREAM)]
    assert found == ["127.0.0.1"]
    assert not is_public(found[0])
