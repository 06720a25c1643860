"""``runner`` at a terminal: the key of the machine, and servers that take no work from it."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.workspace.system.location import data_dir

DRAIN = ("runner", "--server", "http://127.0.0.1:9", "--drain")


def test_a_key_is_made_as_a_whole_and_one_that_is_damaged_is_named(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFE_TOKEN", "t")
    cli.json(*DRAIN)
    file = data_dir() / "runner" / "key"
    assert [path.name for path in file.parent.iterdir()] == ["key"]
    assert len(bytes.fromhex(file.read_text())) == 32
    assert file.stat().st_mode & 0o077 == 0

    file.write_text("")  # as a runner that was killed has left it
    monkeypatch.setenv("WFE_TOKEN", "t")
    error = cli.json(*DRAIN).document["error"]
    assert error["code"] == "unavailable"
    assert str(file) in error["message"]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_named_and_no_fault_of_the_program(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "root.crt"
    if content is not None:
        file.write_text(content)
    for url in ("https://127.0.0.1:9", "https://wfe.invalid"):
        monkeypatch.setenv("WFE_TOKEN", "t")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        error = cli.json("runner", "--server", url, "--drain").document["error"]
        assert (error["code"], str(file) in error["message"]) == ("bad_argument", True), error


class Elsewhere(BaseHTTPRequestHandler):
    """What a server says at an address that is not its own, and another program at its address."""

    status, text = 421, b"This page answers at https://wfe.example only."

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Maintenance(Elsewhere):
    status, text = 200, b"<h1>We are back soon</h1>"


@pytest.mark.parametrize("handler", [Elsewhere, Maintenance])
def test_what_answers_in_place_of_the_server_is_quoted(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, handler: type[Elsewhere]
) -> None:
    monkeypatch.setenv("WFE_TOKEN", "t")
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        error = cli.json("runner", "--server", address, "--drain").document["error"]
        server.shutdown()
    assert error["code"] == "unavailable"
    assert handler.text.decode() in error["message"]


def test_a_name_below_localhost_is_not_asked_for_and_the_address_to_write_is_said(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFE_TOKEN", "t")
    error = cli.json("runner", "--server", "http://wfe.localhost:9", "--drain").document["error"]
    assert (error["code"], "http://localhost:9" in error["hint"]) == ("bad_argument", True), error
