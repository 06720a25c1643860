"""External systems of a played template: GitHub and others as real MCP servers, and an agent that commits."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from wfe_mcp.testing.agent import Envelope
from wfe_mcp.testing.playground import Playground

SERVERS = Path(__file__).with_name("tool_servers.py")
CHECK = (
    "import os, unittest\n\n\nclass Check(unittest.TestCase):\n    def test_it_is_whole(self):\n"
    '        self.assertFalse(os.path.exists("broken.txt"))\n'
)
CHECKS = {
    "test": [sys.executable, "-S", "-m", "unittest", "-q", "check"],
    "push": ["git", "push", "-q", "origin", "HEAD"],
}
REPO = {"owner": "ada", "repo": "engine"}


class Outside:
    """What lies outside: ``calls`` are those that the servers saw."""

    def __init__(self, project: Playground) -> None:
        self.project = project
        self.folder = project.folder / "outside"
        self.folder.mkdir()
        self.answer()
        self.remote = self.folder / "remote.git"
        project.git("branch", "-M", "main")
        project.git("init", "-q", "--bare", "-b", "main", str(self.remote))
        project.git("remote", "add", "origin", str(self.remote))
        project.git("push", "-q", "origin", "main")

    def answer(self, **tools: list[Any]) -> None:
        """From now on, a tool (``issue_read__get`` for its method) answers so, call by call; others as usual."""
        answers = {name.replace("__", "."): given for name, given in tools.items()}
        (self.folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")

    def calls(self, tool: str = "") -> list[dict[str, Any]]:
        """The calls so far without owner and repo, of ``tool`` or all."""
        file = self.folder / "calls.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        seen: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [
            {key: value for key, value in call.items() if key not in REPO}
            for call in seen
            if tool in {"", call["tool"]}
        ]

    @property
    def called(self) -> list[str]:
        """The names of the tools that were called, in order."""
        return [call["tool"] for call in self.calls()]

    def log(self, branch: str) -> list[str]:
        """First lines of what was pushed to ``branch`` beyond main, oldest first."""
        return self.project.git(
            "--git-dir", str(self.remote), "log", "--reverse", "--format=%s", f"main..{branch}"
        ).splitlines()


class ToolServers:
    """The servers of a session of tests: each is started once, and works for the test that ``serve`` was called by."""

    def __init__(self) -> None:
        self._place = Path()
        self._ports: dict[str, int] = {}
        self._running = ExitStack()

    def open(self, folder: Path) -> None:
        """Where the servers read which test is running."""
        self._place = folder / "place"

    def serve(self, folder: Path, name: str) -> str:
        """The origin of server ``name``, which from now on works in ``folder``."""
        self._place.write_text(str(folder), encoding="utf-8")
        if name not in self._ports:
            port = self._running.enter_context(_running(self._place, name))
            assert _answers(port), f"the server {name} did not start"
            self._ports[name] = port
        return f"http://127.0.0.1:{self._ports[name]}"

    def close(self) -> None:
        self._running.close()


TOOL_SERVERS = ToolServers()
"""To start one takes longer than most plays; the session's fixture opens and closes them."""


@contextmanager
def reach(project: Playground, *names: str) -> Generator[Outside]:
    """The servers ``names`` run, and the project's configuration, trusted, knows where."""
    outside = Outside(project)
    origins = {name: TOOL_SERVERS.serve(outside.folder, name) for name in names}
    tables = "".join(f'\n[mcp_servers.{name}]\nurl = "{origin}/mcp"\n' for name, origin in origins.items())
    config = project.root / ".wfe" / "config.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(f"{before}{tables}\n[http]\nallow = {json.dumps([*origins.values()])}\n", encoding="utf-8")
    project.trust()
    yield outside


class Committer:
    """An agent that works on the branch that waits at GitHub, commits with ``message``, and says which commit it was.

    ``files``: written before the commit, for an agent that only follows ``next``.
    """

    def __init__(
        self, project: Playground, call: Any, phase: str, message: str, files: Mapping[str, str | None] | None = None
    ) -> None:
        self._project, self._call, self._phase, self._message = project, call, phase, message
        self._files = {name: text for name, text in (files or {}).items() if text is not None}

    def __call__(self, tool: str, /, **arguments: Any) -> Envelope:
        if "wait_s" in arguments:  # a test that asks for a person just after they were needed would wait for long
            arguments["wait_s"] = 3
        if tool == "submit_artifact" and arguments["phase"] == self._phase:
            arguments["artifact"] = arguments["artifact"] | {"commit": self._commit()}
        return self._call(tool, **arguments)

    def _commit(self) -> str:
        git = self._project.git
        git("fetch", "-q", "origin")
        (branch,) = (
            name for name in git("branch", "-r", "--format=%(refname:lstrip=3)").split() if name not in {"main", "HEAD"}
        )
        git("switch", "-q", branch)
        self._project.write(self._files)
        git("add", ".", ":!.wfe")
        git("commit", "-q", "--allow-empty", "-m", self._message)
        return git("rev-parse", "HEAD").strip()


@contextmanager
def _running(place: Path, name: str) -> Generator[int]:
    """The port of a server that has been started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    argv = [sys.executable, str(SERVERS), str(place), name, str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield port
        finally:
            child.kill()


def _answers(port: int) -> bool:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
