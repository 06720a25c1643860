"""HTTP requests of steps, restricted to public addresses and allowed origins.

    address ─► origin allowed? ─► resolve once ─► every address public? ─► connect to that very address ─► answer

Rules (docs/explanation, threat T6):
1. https, or an origin that trusted configuration allows; only such an origin may be at an address that is not public.
2. The name is resolved once and the connection goes to that address: a later answer of the name server has no effect.
   The Host header and the TLS name are those of the URL.
3. Redirects are not followed and proxies not used; the answer has at most 1 MB, the exchange takes at most ``timeout_s``.

Tells public internet addresses from all others.

Rules (docs/explanation, threat T6):
1. ``is_global`` alone is not enough: NAT64 (64:ff9b::/96), 6to4 (2002::/16) and Teredo (2001::/32) are global and lead
   to the IPv4 address embedded in them.
2. A mapped address (::ffff:127.0.0.1) is judged by the IPv4 address in it.
"""

import contextlib
import http.client
import ipaddress
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import field
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.tools.fault import MAX_RESULT_BYTES, ShouldStop, StepStopped, ToolFault, never
from wfe_mcp.workspace.config.origins import authorities, origin_fault, origin_of

_SAFE = frozenset({"GET", "HEAD"})
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"})
_WRITTEN = "/%:?#[]@!$&'()*+,;=~-._"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_IN_HEADER = 0xFF
"""Its values are sent in Latin-1."""
_TICK_S = 0.1

Resolve = Callable[[str, int], list[str]]
"""The addresses of a host."""


class Answer(NamedTuple):
    """An answer of any status. ``headers``: by lower-case name."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def value(self) -> object:
        """The body: a JSON value, else text."""
        return _value(self.headers, self.content)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``status``: the required status; None is any 2xx."""

    url: str
    method: str = "GET"
    headers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: object = None
    status: int | None = None


def resolve(host: str, port: int) -> list[str]:
    """The addresses from the name server, in its order."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def send(
    request: Request,
    *,
    allow: Collection[str] = (),
    timeout_s: float = 10.0,
    should_stop: ShouldStop = never,
    resolve: Resolve = resolve,
) -> dict[str, Any]:
    """``{status, headers, body}``; a JSON body as its value, else text. Raises ToolFault, StepStopped."""
    answer = exchange(request, allow=allow, timeout_s=timeout_s, should_stop=should_stop, resolve=resolve)
    _expect(request, answer.status, answer.headers, answer.content)
    return {"status": answer.status, "headers": answer.headers, "body": answer.value}


def exchange(
    request: Request,
    *,
    allow: Collection[str] = (),
    timeout_s: float = 10.0,
    should_stop: ShouldStop = never,
    resolve: Resolve = resolve,
    excerpt_bytes: int | None = None,
) -> Answer:
    """The answer, whatever its status. Raises ToolFault, StepStopped.

    ``excerpt_bytes``: only so much of the answer is read, and a longer one is cut; None: it is read whole, or refused.
    """
    end = time.monotonic() + timeout_s
    parts, allowed = _place(request.url, allow)
    headers, body = _headers(request), _body(request)
    connected = _connect(parts, _addresses(parts, resolve, allowed=allowed), end)
    unsafe = request.method not in _SAFE
    fault: Exception | None = None
    status, answered, content = 0, dict[str, str](), b""
    with _watch(connected, end, should_stop) as cut:
        try:
            status, answered, content = _exchange(connected, parts, request.method, headers, body, excerpt_bytes)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as exc:
            fault = exc  # a connection closed while it is read may raise anything; the watch knows why it was closed
    if "stopped" in cut:
        raise StepStopped(may_have_happened=unsafe)
    if cut or fault:
        why = f"no complete answer within {timeout_s:g} s" if cut else f"the connection broke ({_error_text(fault)})"
        raise ToolFault(f"{_request_line(request)}: {why}", may_have_happened=unsafe, is_passing=True) from fault
    if len(content) > MAX_RESULT_BYTES:
        raise ToolFault(
            f"{_request_line(request)}: the answer is larger than {MAX_RESULT_BYTES:,} bytes", may_have_happened=unsafe
        )
    return Answer(status, answered, content)


def _place(url: str, allow: Collection[str]) -> tuple[SplitResult, bool]:
    """The parts of ``url``, and whether its origin is allowed by name."""
    fault = origin_fault(url, allow)
    if fault:
        raise ToolFault(fault)
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise ToolFault(f"{url!r} is not an address: it contains white space or control characters")
    return urlsplit(url), origin_of(url) in {origin_of(address) for address in allow}


def _addresses(parts: SplitResult, ask: Resolve, *, allowed: bool) -> list[str]:
    host = parts.hostname or ""
    try:
        addresses = ask(host, _port(parts))
    except (OSError, UnicodeError) as exc:
        raise ToolFault(f"{host!r} cannot be resolved: {_error_text(exc)}", is_passing=True) from exc
    inside = [address for address in addresses if not is_public(address)]
    if inside and not allowed:
        raise ToolFault(
            f"{host!r} resolves to {inside[0]}, which is not on the public internet; to allow it, add {origin_of(parts.geturl())} to "
            "[http] allow in trusted configuration"
        )
    if not addresses:
        raise ToolFault(f"{host!r} has no address")
    return addresses


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)


def _headers(request: Request) -> dict[str, str]:
    headers = {str(name): str(value) for name, value in request.headers.items()}
    forbidden = sorted(name for name in headers if name.lower() in _OURS)
    if forbidden:
        raise ToolFault(f"the header {forbidden[0]!r} cannot be set")
    if any(char in f"{name}{value}" for name, value in headers.items() for char in "\r\n\0"):
        raise ToolFault("a header contains a line break")
    for (
        name,
        value,
    ) in headers.items():  # before anything is sent: the client of Python would refuse it amid the exchange
        if not _HEADER_NAME.fullmatch(name):
            raise ToolFault(f"{name!r} is not the name of a header")
        if any(ord(char) > _MOST_IN_HEADER for char in value):
            raise ToolFault(f"the header {name!r} contains characters that HTTP does not send there, such as emoji")
    names = {name.lower() for name in headers}
    usual = {"User-Agent": "wfe-mcp", "Accept": "application/json, */*"}
    if request.body is not None:
        usual["Content-Type"] = "application/json"
    return (
        {name: value for name, value in usual.items() if name.lower() not in names} | headers | {"Connection": "close"}
    )


def _body(request: Request) -> bytes | None:
    if request.body is None:
        return None
    is_text = isinstance(request.body, str) and any(name.lower() == "content-type" for name in request.headers)
    return (str(request.body) if is_text else json.dumps(request.body, ensure_ascii=False)).encode()


def _expect(request: Request, status: int, headers: Mapping[str, str], content: bytes) -> None:
    if status == request.status or (request.status is None and 200 <= status < 300):
        return
    wanted = str(request.status or "2xx")
    moved = f", a redirect to {headers.get('location', '?')}, which is not followed" if 300 <= status < 400 else ""
    excerpt = content[:300].decode(errors="replace").strip()
    # 4xx: the server did not do it. Another 2xx: it did. 5xx: unknown.
    unknown = request.method not in _SAFE and (status >= 500 or 200 <= status < 300)
    raise ToolFault(
        f"{_request_line(request)} answered {status}{moved}; {wanted} was expected"
        + (f": {excerpt}" if excerpt else ""),
        may_have_happened=unknown,
    )


def _value(headers: Mapping[str, str], content: bytes) -> object:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        with contextlib.suppress(Refused):
            return parse_json(content)
    return content.decode(errors="replace")


def _request_line(request: Request) -> str:
    return f"{request.method} {request.url.partition('?')[0]}"


def _error_text(exc: BaseException | None) -> str:
    return str(exc) or type(exc).__name__


def _connect(parts: SplitResult, addresses: list[str], end: float) -> socket.socket:
    """A connection to the first address that answers. Raises ToolFault; then no data was sent."""
    host, port, fault = parts.hostname or "", _port(parts), "no address answered"
    for address in addresses:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            plain = socket.create_connection((address, port), timeout=left)
        except OSError as exc:
            fault = f"{address} port {port}: {_error_text(exc)}"
            continue
        try:
            is_plain = parts.scheme == "http"
            connection = plain if is_plain else authorities().wrap_socket(plain, server_hostname=host)
        except OSError as exc:
            plain.close()
            raise ToolFault(f"{host!r} could not be reached safely: {_error_text(exc)}") from exc
        connection.settimeout(None)  # from here on the watch limits the total time
        return connection
    raise ToolFault(f"{host!r} could not be reached: {fault}", is_passing=True)


@contextlib.contextmanager
def _watch(
    connected: socket.socket, end: float, should_stop: ShouldStop
) -> Generator[list[Literal["stopped", "late"]]]:
    """Cuts the connection when the work must stop or the time is over; the list then says which."""
    cut: list[Literal["stopped", "late"]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(min(_TICK_S, max(0.001, end - time.monotonic()))):
            if should_stop():
                cut.append("stopped")
            elif time.monotonic() >= end:
                cut.append("late")
            else:
                continue
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: it removes the TLS state while another thread reads.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
            return

    thread = threading.Thread(target=look, name="wfe-http", daemon=True)
    thread.start()
    try:
        yield cut
    finally:
        over.set()
        thread.join()


def _exchange(
    connected: socket.socket,
    parts: SplitResult,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    excerpt_bytes: int | None,
) -> tuple[int, dict[str, str], bytes]:
    """Send the request. Returns the status, the headers by lower-case name, and at most ``MAX_RESULT_BYTES`` + 1 bytes."""
    connection = http.client.HTTPConnection(parts.hostname or "", _port(parts))
    # Already connected; the scheme determines which port may be omitted from Host.
    connection.sock, connection.default_port = connected, 443 if parts.scheme == "https" else 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, quote(target, safe=_WRITTEN), body, dict(headers))
        answer = connection.getresponse()
        content = answer.read(MAX_RESULT_BYTES + 1 if excerpt_bytes is None else excerpt_bytes)
        if excerpt_bytes is None and answer.length and len(content) <= MAX_RESULT_BYTES:
            raise http.client.IncompleteRead(content, answer.length)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content
    finally:
        connection.close()
        connected.close()


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
