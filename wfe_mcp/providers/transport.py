"""How a provider is reached over HTTP: address, proxy and authorities are those of its connection, never of the environment."""

from typing import Any
from urllib.parse import urlsplit

import httpx2

from wfe_mcp.providers.call import Connection
from wfe_mcp.providers.faults import fault
from wfe_mcp.workspace.config.origins import authorities, certificates_for, is_loopback


def client_options(connection: Connection, address: str, *, silence_s: float) -> dict[str, Any]:
    """The arguments of an HTTP client that asks only ``address``. Redirects are not followed: a key goes to no other address.

    Raises ProviderFault where the file of authorities or the proxy cannot be used.
    """
    here = is_loopback(address)
    verify = certificates_for(address)
    if connection.ca_file and verify is True:
        try:
            verify = authorities(connection.ca_file)
        except OSError as error:
            raise fault("authorities", connection, why=f"{connection.ca_file}: {error}") from None
    proxy = connection.proxy if connection.proxy and not here else None
    if proxy is not None and urlsplit(proxy).scheme not in ("http", "https"):
        raise fault("proxy", connection)
    return {
        "timeout": httpx2.Timeout(
            connect=connection.connect_s, read=silence_s, write=silence_s, pool=connection.connect_s
        ),
        "follow_redirects": False,
        "trust_env": False,
        "verify": verify,
        "proxy": proxy,
    }
