"""Two ways to a forge's API: HTTP with a token, or a command line that a person is logged in with.

Rules:
1. A token goes to the API's origin alone. Redirects are not followed; an answer has at most 1 MB and 20 seconds.
2. No text of an answer reaches a message without ``without_hidden``, one line, and a limit.
3. ``gh`` and ``glab`` see the environment they are given. Variables that hold tokens are not in it: the login is the
   person's own, from their configuration or keyring, and not one that the agent's process has.
"""

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, ValidationError

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.artifacts.typed import value_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.forges.blockers import Blocked, NotYet
from wfe_mcp.delivery.forges.protocol import Channel, ForgePlace, PullRequest, Reply
from wfe_mcp.tools.fault import MAX_RESULT_BYTES, ShouldStop, ToolFault, never
from wfe_mcp.tools.http import Request, exchange
from wfe_mcp.workspace.system.redaction import without_hidden

TIMEOUT_S = 20.0
MOST_WAIT_S = 900.0
"""A forge that names a later time is asked again after this."""

_LONGEST_REASON = 200
_RATE_LIMITED = (403, 429)
_MISSING = frozenset({404, 410})
_SAFE = frozenset({"GET"})

T = TypeVar("T")


class _Reason(Struct):
    message: str | list[Any] = ""
    error: str = ""
    errors: list[dict[str, Any] | str] = []


@dataclass(frozen=True, slots=True)
class RestChannel:
    """HTTP with a token. The address is of trusted configuration, or that of github.com and gitlab.com."""

    place: ForgePlace
    token: str = field(repr=False)
    should_stop: ShouldStop = never
    login: str = "Store a valid token, and name it in [delivery] credential: wfe-mcp credential add NAME"

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """The answer. Raises ToolFault, StepStopped."""
        accepts = "application/vnd.github+json" if self.place.forge == "github" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accepts}
        request = Request(f"{self.place.api}/{path}", method, headers, None if body is None else dict(body))
        answer = exchange(request, allow=[self.place.api], timeout_s=TIMEOUT_S, should_stop=self.should_stop)
        return Reply(answer.status, answer.headers, answer.value)


@dataclass(frozen=True, slots=True)
class CommandChannel:
    """``gh api`` or ``glab api``: the program's own login and its own process. ``folder``: not the project."""

    program: str
    host: str
    env: Mapping[str, str]
    folder: str

    @property
    def name(self) -> str:
        """``gh`` or ``glab``."""
        return Path(self.program).stem

    @property
    def login(self) -> str:
        """What to do where the program's login is not accepted, or is missing."""
        return f"Log in: {self.name} auth login --hostname {self.host}; or name a [delivery] credential."

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """The answer. Raises Blocked, ToolFault."""
        argv = [self.program, "api", "--include", "--hostname", self.host, "--method", method, path]
        if body is not None:
            argv += ["--header", "Content-Type: application/json", "--input", "-"]
        output, error = _run(argv, self.env, self.folder, b"" if body is None else json.dumps(body).encode())
        reply = _parse_reply(output)
        if reply is None and method not in _SAFE and output:
            raise ToolFault(f"{self.name} api {method} {path}: no complete answer", may_have_happened=True)
        if reply is None:
            raise Blocked("credentials", forge=self.host, why=reason_of(error) or "no answer", login=self.login)
        return reply


@dataclass(frozen=True, slots=True)
class Api:
    """A channel whose general failures are blockers and waits. The answers left over are those of the call itself."""

    place: ForgePlace
    channel: Channel

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """The answer: 2xx, or a 4xx that is about the call. Raises Blocked, NotYet, ToolFault."""
        reply = self.channel.call(method, path, body)
        why, forge = reason_of(_message(reply.body)), self.place.host
        if 300 <= reply.status < 400:
            raise Blocked("moved", forge=forge)
        if reply.status == 401:
            raise Blocked("credentials", forge=forge, why=why or "401", login=self.channel.login)
        if reply.status in _RATE_LIMITED and (after := _retry_after(reply)) is not None:
            raise NotYet(f"{forge} limits how often it is asked", after)
        if reply.status == 403:
            raise Blocked("permission", forge=forge, why=why or "403", repository=self.place.repository)
        if reply.status >= 500 and method in _SAFE:
            raise NotYet(f"{forge} answered {reply.status}")
        if reply.status >= 500:
            raise ToolFault(f"{forge} answered {reply.status} to {method} {path}", may_have_happened=True)
        return reply

    def fetch(self, path: str, what: str, shape: type[T]) -> T:
        """The body of an answer that must be there, as ``shape``. Raises Blocked ``missing``, ``refused`` or ``answer``."""
        reply = self.send("GET", path)
        if reply.status in _MISSING:
            raise Blocked("missing", forge=self.place.host, what=what)
        if reply.status >= 400:
            raise self.refusal_blocker(reply, f"show the {what}")
        try:
            return value_of(reply.body, shape)
        except ValidationError as fault:
            raise Blocked("answer", forge=self.place.host, what=what, why=reason_of(str(fault))) from fault

    def maybe(self, path: str, shape: type[T]) -> T | None:
        """The body as ``shape``; None: it is not there or not shown, or has another shape."""
        try:
            return self.fetch(path, "", shape)
        except Blocked as blocked:
            if blocked.code in {"missing", "refused", "answer", "permission"}:
                return None
            raise

    def change(self, method: str, path: str, body: Mapping[str, Any], what: str) -> None:
        """Change something; ``what`` is it called. Raises Blocked ``refused`` for a 4xx, and as ``send`` does."""
        reply = self.send(method, path, body)
        if reply.status >= 400:
            raise self.refusal_blocker(reply, what)

    def refusal_blocker(self, reply: Reply, what: str) -> Blocked:
        """The blocker for a 4xx that has no better one."""
        why = reason_of(_message(reply.body)) or str(reply.status)
        return Blocked("refused", forge=self.place.host, what=what, why=why)

    def merge_blocker(self, reply: Reply, named: str, head: str, now: PullRequest) -> Blocked:
        """Why the merge of ``named`` at ``head`` was refused: it moved, what the forge reports ``now``, else its answer."""
        at = {"pull": named, "url": now.url, "base": now.base, "branch": now.branch}
        if now.head != head:
            return Blocked("head", found=now.head[:12], expected=head[:12], **at)
        if now.blocker:
            return Blocked(now.blocker, forge=self.place.host, why=now.why, **at)
        return self.refusal_blocker(reply, f"merge {named}")


def reason_of(text: str) -> str:
    """Text of others for a message of ours: one line, printable, without hidden values, bounded."""
    line = " ".join("".join(char if char.isprintable() else " " for char in without_hidden(text)).split())
    return line[: _LONGEST_REASON - 1] + "…" if len(line) > _LONGEST_REASON else line


def _message(body: Any) -> str:
    """GitHub's and GitLab's own reason; GitLab has a list of them, GitHub puts the exact one into ``errors``."""
    try:
        reason = value_of(body, _Reason)
    except ValidationError:
        return ""
    first = reason.message if isinstance(reason.message, str) else " ".join(map(str, reason.message))
    more = [error["message"] for error in reason.errors if isinstance(error, dict) and "message" in error]
    return ": ".join(filter(None, (first or reason.error, *map(str, more[:1]))))


def _retry_after(reply: Reply) -> float | None:
    """Seconds until the forge may be asked again; None: it does not limit."""
    named = reply.headers.get("retry-after", "")
    if named.isdigit():
        return min(float(named), MOST_WAIT_S)
    is_used_up = "0" in (reply.headers.get("x-ratelimit-remaining"), reply.headers.get("ratelimit-remaining"))
    return MOST_WAIT_S if is_used_up else 60.0 if reply.status == 429 else None


def _run(argv: list[str], env: Mapping[str, str], folder: str, body: bytes) -> tuple[bytes, str]:
    """Standard output, and the first line of standard error. Raises ToolFault."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=dict(env), cwd=folder
        ) as child,
    ):
        assert child.stdin is not None and child.stdout is not None  # they are pipes
        late = threading.Event()
        timer = threading.Timer(TIMEOUT_S, lambda: (late.set(), child.kill()))
        timer.start()
        try:
            with suppress(OSError):  # it ended without reading
                child.stdin.write(body)
                child.stdin.close()
            output = child.stdout.read(MAX_RESULT_BYTES + 1)
            if len(output) > MAX_RESULT_BYTES:
                child.kill()
        finally:
            timer.cancel()
        child.wait()
        if late.is_set() or len(output) > MAX_RESULT_BYTES:
            limit = f"{TIMEOUT_S:g} s" if late.is_set() else f"{MAX_RESULT_BYTES:,} bytes"
            raise ToolFault(f"{Path(argv[0]).stem} api: more than {limit}", may_have_happened="GET" not in argv)
        errors.seek(0)
        return output, errors.read(2_000).decode(errors="replace").strip().partition("\n")[0]


def _parse_reply(output: bytes) -> Reply | None:
    """What ``--include`` printed: a status line, headers, an empty line, the body."""
    head, _, body = output.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode(errors="replace").split("\n")
    status = re.fullmatch(r"HTTP/[\d.]+ (\d{3})(?: .*)?", first)
    if status is None:
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        return Reply(int(status[1]), headers, parse_json(body))
    except Refused:
        return Reply(int(status[1]), headers, body.decode(errors="replace"))
