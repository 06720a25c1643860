"""The requests of a runner to its server (``gates/runner_protocol.py``), and the fetch of a task's tree.

Rules:
1. Tokens go over TLS, or over loopback. No redirect is followed.
2. Git fetches one ref, checks each object, and takes no configuration, hook, submodule or helper of this machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast, get_args
from urllib.parse import urlsplit

import httpx2

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Code, Refused
from wfe_mcp.gates.runner_protocol import Claim, Ended, Heartbeat, Message, Offer, Pulse, Report, Task
from wfe_mcp.workspace.config import origins
from wfe_mcp.workspace.git.command import authorities, run_git, run_git_between

_TIMEOUT_S = 60.0
_FETCH_S = 1_800.0
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "http:https",
}
_OPTIONS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "submodule.recurse=false", "fetch.recurseSubmodules=no"),
    *("transfer.fsckObjects=true", "fetch.fsckObjects=true", "protocol.version=0", "http.followRedirects=false"),
    *("credential.helper=", "core.logAllRefUpdates=false", "fetch.writeCommitGraph=false"),
)
_SHOWN = 200
_LAST = "refs/wfe/last"
M = TypeVar("M", bound=Message)


class AwayError(Exception):
    """The server does not answer now."""


class Connection:
    """The server at ``url``, for the runner with ``token``. Refuses ``bad_argument``: an address at which others could read it."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url if origins.origin_of(url) else "")
        is_here = origins.is_loopback(url)
        if not parts.netloc or parts.query:
            raise Refused("bad_argument", f"{url!r} is no address of a server.", "As in: --server https://wfe.example")
        if parts.scheme == "http" and not is_here:
            hint, name = "Use its https address.", parts.hostname or ""
            if name.endswith(".localhost"):
                here = url.lower().replace(name, "localhost", 1)
                hint = f"A resolver may say that this name is elsewhere. For this machine: --server {here}"
            raise Refused("bad_argument", f"Others could read the token on its way to {url}.", hint)
        self.url, self._token, self._is_here = url.rstrip("/"), token, is_here
        # httpx2 reads it together with the proxies of the environment, which are not for this machine.
        bundle = os.environ.get("SSL_CERT_FILE")
        try:
            verify = origins.authorities(bundle) if is_here and bundle else True
            self._http = httpx2.Client(timeout=_TIMEOUT_S, trust_env=not is_here, follow_redirects=False, verify=verify)
        except OSError as fault:  # no such file, none for this user, or no certificate in it
            what = f"The certificate authorities in SSL_CERT_FILE cannot be read: {bundle or 'a folder'}: {fault.strerror or fault}."
            raise Refused("bad_argument", what, "Set it to a PEM file that this user can read, or unset it.") from None

    def claim(self, labels: Sequence[str], key: str, wait_s: float, lease_s: float) -> Task | None:
        """The next task; None: there is none now."""
        asked = Claim(labels=tuple(labels), key=key, wait_s=wait_s, lease_s=lease_s)
        return self._post("/runner/v1/claim", self._token, asked, Offer).task

    def heartbeat(self, task: Task, tail: str) -> bool:
        """Whether the check is to be stopped."""
        beat = Heartbeat(tail=tail, lease_s=task.lease_s)
        return self._post(f"/runner/v1/jobs/{task.job}/heartbeat", task.token, beat, Pulse).cancel

    def end(self, task: Task, report: Report) -> str:
        """What the server made of the report."""
        return self._post(f"/runner/v1/jobs/{task.job}/end", task.token, report, Ended).verdict

    def give_back(self, task: Task) -> None:
        """Let another runner do the task."""
        self._post(f"/runner/v1/jobs/{task.job}/back", task.token, Message(), Ended)

    def fetch(self, task: Task, mirrors: Path) -> Path:
        """The repository that has the commit of ``task`` now, and nothing in its folder. Refuses ``unavailable``."""
        mirror = mirrors / sha256_hex(f"{self.url} {task.project} {task.runner}")[:24]
        mirror.mkdir(parents=True, exist_ok=True)
        # Each time: a full disk, or a kill, may have left half of one.
        run_git(mirror, "init", "-q", "--template=", str(mirror), env=_ENVIRONMENT)
        header = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {task.token}",
        }
        options = [
            word for option in (*_OPTIONS, *(["http.proxy="] if self._is_here else [])) for word in ("-c", option)
        ]
        words = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        with tempfile.TemporaryFile() as nothing, tempfile.TemporaryFile() as answer:
            done = run_git_between(
                mirror,
                *(*options, *words, f"{self.url}/git/{task.project}", f"+{task.ref}:{_LAST}"),
                given=nothing,
                answer=answer,
                timeout_s=_FETCH_S,
                env=_ENVIRONMENT | header | authorities(),
            )
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip()[-500:]
            raise Refused("unavailable", f"The tree of {task.job} could not be fetched: {why}.", "It is tried again.")
        return mirror

    def tidy(self, mirrors: Path) -> None:
        """Pack what was fetched, where there is enough of it."""
        for path in mirrors.iterdir() if mirrors.is_dir() else ():
            run_git(path, "gc", "--auto", "--quiet", env=_ENVIRONMENT, ok=None)

    def _post(self, path: str, token: str, body: Message, kind: type[M]) -> M:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            answer = self._http.post(self.url + path, content=body.model_dump_json(), headers=headers)
        except httpx2.HTTPError as fault:
            raise AwayError(f"{self.url} does not answer: {fault}") from fault
        if answer.is_success:
            with suppress(ValueError):  # such as the page of a proxy: no server of ours says that
                return kind.model_validate_json(answer.content)
        error = _error(answer)
        if (
            answer.status_code == 413 and error is None
        ):  # no server of ours answers so, and to send it again helps nothing
            raise Refused(
                "too_large",
                f"A proxy before {self.url} takes no message of {len(answer.request.content):,} bytes.",
                "Let it take larger ones, such as by client_max_body_size of nginx.",
            )
        if answer.status_code >= 500 or error is None:
            # At an address that is not its own the server says which one is.
            why = f": {answer.text[:_SHOWN].strip()}" if answer.status_code == 421 or answer.is_success else "."
            raise AwayError(f"{self.url} answers {answer.status_code} to {path}{why}")
        code = error.get("code")
        known: Code = cast("Code", code) if code in get_args(Code) else "internal"
        raise Refused(known, str(error.get("message")), str(error.get("hint")))


def _error(answer: httpx2.Response) -> dict[str, Any] | None:
    try:
        error: Any = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return cast("dict[str, Any]", error) if isinstance(error, dict) else None
