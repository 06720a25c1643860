"""Which origin an address belongs to."""

import ssl

import pytest

from wfe_mcp.workspace.config.origins import certificates_for, origin_fault, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.org/a?b", "https://example.org:443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]/x", "http://[::1]:80"),
        ("https://example.org:0/", "https://example.org:0"),
        ("https://user@example.org", None),
        ("https://:pw@example.org", None),
        ("https://example.org:port", None),
        ("https://[::1", None),
        ("file:///etc/passwd", None),
        ("example.org", None),
        ("https://", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_plain_http_goes_only_to_origins_that_are_allowed_by_name() -> None:
    allow = ["http://localhost:8080/"]
    assert origin_fault("https://example.org", []) == ""
    assert origin_fault("http://localhost:8080/x", allow) == ""
    assert "http://localhost:8081 is not allowed" in origin_fault("http://localhost:8081/x", allow)
    assert "http://localhost.evil.org:8080 is not allowed" in origin_fault("http://localhost.evil.org:8080", allow)
    assert "is no address" in origin_fault("http://localhost:8080@evil.org/", allow)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:8443/v1", "https://example.org", "http://example.org", "", "https://[::1"]
)
def test_an_address_that_is_not_plain_http_on_this_machine_is_checked_against_all_authorities(url: str) -> None:
    assert certificates_for(url) is True


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "http://localhost:1234", "http://[::1]:80/"])
def test_for_plain_http_on_this_machine_no_authority_is_read_and_none_is_trusted(url: str) -> None:
    context = certificates_for(url)
    assert isinstance(context, ssl.SSLContext)
    assert (context.get_ca_certs(), context.verify_mode, context.check_hostname) == ([], ssl.CERT_REQUIRED, True)
