"""Which origin an address belongs to."""

import pytest

from wfe_mcp.workspace.config.origins import origin_fault, origin_of


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
