"""The origin of an address, and whether it may be reached without TLS.

An origin is scheme, host and port. ``[http] allow`` of trusted configuration names the origins that may be reached over
plain http or at a non-public address; every other address must be https on the public internet.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """``scheme://host:port`` in lower case, always with the port. None for anything but an http address, and for one with a user name."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or parts.password is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{_PORTS[parts.scheme] if port is None else port}"


def without_user(url: str) -> str:
    """``url`` for people: without a user name, password, query or fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def origin_fault(url: str, allow: Iterable[str]) -> str:
    """Why ``url`` may not be reached; empty when it may. ``allow``: origins of trusted configuration."""
    origin = origin_of(url)
    if origin is None:
        return f"{url!r} is no address: write https://host/path, without a user name"
    if origin.startswith("https:") or origin in {origin_of(allowed_url) for allowed_url in allow}:
        return ""
    return f"plain http to {origin} is not allowed: use https, or name it in [http] allow of trusted configuration"


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine: ``localhost`` or a loopback address, written out."""
    return origin_of(url) is not None and is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine, as in ``is_loopback``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def certificates_for(url: str) -> ssl.SSLContext | bool:
    """``verify`` of an HTTP client that asks only ``url``: True, but for plain http on this machine a context that trusts no authority.

    No certificate is checked there, and to read all authorities takes 20 ms of CPU with each client.
    """
    if not is_loopback(url) or urlsplit(url).scheme == "https":
        return True
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def authorities(ca_file: str = "") -> ssl.SSLContext:
    """Checks certificates with the authorities in ``ca_file``, else with the system's. OSError: the file cannot be read.

    Not ``ssl.create_default_context``: that writes the keys of each connection to a file that ``SSLKEYLOGFILE`` names.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    else:
        context.load_default_certs()
    return context
