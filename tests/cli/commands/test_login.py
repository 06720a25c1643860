"""``login`` at a terminal, while the server is not always there."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cli.scene import Terminal

BEGUN = {"user_code": "ABCD-EFGH", "device_code": "d", "interval": 0.01, "expires_in": 60}
TAKEN = {"access_token": "wfe_t", "name": "ada", "expires_at": "2026-12-20T08:00:00+00:00"}


class Restarting(BaseHTTPRequestHandler):
    """A server that a proxy does not reach when it is asked the second time."""

    answers: list[tuple[int, Any]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode() if answer else b"<html>Bad Gateway</html>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_login_continues_where_the_server_is_away_for_a_moment(cli: Terminal) -> None:
    pending = 400, {"error": "authorization_pending"}
    no_database = 503, {"error": "temporarily_unavailable"}
    Restarting.answers = [(200, BEGUN), pending, (502, None), no_database, pending, (200, TAKEN)]
    with ThreadingHTTPServer(("127.0.0.1", 0), Restarting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://localhost:{server.server_address[1]}"
        done = cli.json("login", url)
        server.shutdown()
    assert (done.code, done.data["name"], done.data["url"]) == (0, "ada", url), done
