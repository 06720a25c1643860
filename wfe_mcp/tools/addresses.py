"""Tells public internet addresses from all others.

Rules (docs/explanation, threat T6):
1. ``is_global`` alone is not enough: NAT64 (64:ff9b::/96), 6to4 (2002::/16) and Teredo (2001::/32) are global and lead
   to the IPv4 address embedded in them.
2. A mapped address (::ffff:127.0.0.1) is judged by the IPv4 address in it.
"""

import ipaddress

_WRAPPERS = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
_SPECIAL = tuple(ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24"))
"""Protocol assignments and 6to4 relays: older Python versions classify parts of them as global."""


def is_public(text: str) -> bool:
    """True for a public internet address; False for any other text."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if any(address in wrapper for wrapper in _WRAPPERS):
            return False
    elif any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
