"""What a decision costs beside the commit before decisions were compared with the log: CPU of ``approve`` and of its page.

Both are measured in turn, each in a project of its own with its own server and page: the program of this folder, and that of
``BASE`` in a temporary git worktree. What counts is the ratio of each pair, since the machine's speed drifts.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, median

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene

ROOT = Path(__file__).resolve().parents[1]
BASE = "78e77c5"
"""The commit at which the bound was set; a decision was not compared with its log there (docs/adr/0048)."""
RATIO = 1.2
_GETS = 10
_START_S = 300
"""How long a page may take to start: what is measured is CPU time, and a busy machine is no reason to end."""
_PIN = b"correct horse\n"
_GATES = [
    {"kind": "files", "within": ["**"], "unchanged": ["docs/**"]},
    {"kind": "command", "check": "test", "expect": {"exit_code": 0}},
    {"kind": "approval"},
]
_TEMPLATE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "letter",
    "version": "1.0.0",
    "title": "A change that a person approves",
    "phases": [
        {
            "id": "write",
            "prompt": "Write.",
            "output": {"artifact": "change", "schema": "change@1"},
            "gates": _GATES,
        }
    ],
}
_PERSON = """
import os, sys
from pathlib import Path
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.workspace.system.location import project_at
engine = create_engine(project_at(Path(sys.argv[1])), environment=dict(os.environ))
give_trust(engine, set_pin(engine, "correct horse", By("ada", Channel.CLI, Assurance.HUMAN)), [])
engine.close()
"""
"""Sets the PIN and trusts the project."""


def measure(_: Scene, times: int) -> list[Figure]:
    """The ratios over ``times`` decisions each. Without the commit ``BASE`` here, nothing is compared."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wfe-decisions-"))).resolve()
        base = stack.enter_context(_checked_out(folder / "base"))
        if base is None:
            return [Figure(f"no commit {BASE} here: decisions are not compared with it", 0, "")]
        sides = [
            stack.enter_context(_side(folder / name, program)) for name, program in (("now", ROOT), ("before", base))
        ]
        for side in sides:  # not counted: the caches fill
            side.decision(0)
        rows: list[list[tuple[float, float]]] = [[], []]
        for number in range(1, times + 1):
            for which in (0, 1) if number % 2 else (1, 0):
                rows[which].append(sides[which].decision(number))
    return [
        _ratio("approve: CPU of the command", rows, 0, f"{times} decisions each; the PIN's key included"),
        _ratio("the decision page: CPU of the server", rows, 1, f"{times} times {_GETS} requests each"),
    ]


def _ratio(name: str, rows: list[list[tuple[float, float]]], which: int, note: str) -> Figure:
    now, before = ([row[which] for row in side] for side in rows)
    ratio = median([here / there for here, there in zip(now, before, strict=True)])
    return Figure(
        f"{name}, beside {BASE}",
        ratio,
        "x",
        RATIO,
        f"{ratio:.2f}: {median(now):.1f} ms, before {median(before):.1f} ms; {note}",
    )


@contextmanager
def _checked_out(folder: Path) -> Generator[Path | None]:
    git = ["git", "-C", str(ROOT)]
    made = subprocess.run([*git, "worktree", "add", "--detach", str(folder), BASE], capture_output=True)
    if made.returncode:
        yield None
        return
    try:
        compileall.compile_dir(folder / "wfe_mcp", quiet=1)
        yield folder
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(folder)], capture_output=True, check=True)


class _Side:
    """A project whose decisions are made by the program below one folder."""

    def __init__(self, project: Path, environment: dict[str, str], page: int, port: int) -> None:
        self._project, self._environment, self._page, self._port = project, environment, page, port

    def decision(self, number: int) -> tuple[float, float]:
        """CPU milliseconds of ``approve`` and of one request for the page, for a new run with a new change."""
        # By commands: a terminal that an agent's client started could not sign.
        run = self._wfe("start", "letter")["run"]
        (self._project / "app.py").write_text(f"VALUE = {number + 2}\n" * 30, encoding="utf-8")
        self._wfe("submit", run, "write", "--path", "change.json")
        request = self._wfe("approve", run, "write", code=1)["data"]["request"]
        url = f"http://localhost:{self._port}/decide/{request}"
        assert b"app.py" in _got(url)
        before = cpu_ms(self._page)
        for _ in range(_GETS):
            _got(url)
        page = (cpu_ms(self._page) - before) / _GETS
        return self._approve(run), page

    def _wfe(self, *words: str, code: int = 0) -> Any:
        done = self._run(*words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def _run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "wfe_mcp", *words],
            cwd=self._project,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **options,
        )

    def _approve(self, run: str) -> float:
        read, write = os.pipe()
        os.write(write, _PIN)
        os.close(write)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = self._run("approve", run, "write", "--pin-fd", str(read), pass_fds=[read])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.close(read)
        assert done.returncode == 0, done.stdout + done.stderr
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


@contextmanager
def _side(place: Path, program: Path) -> Generator[_Side]:
    project, home = place / "project", place / "home"
    (project / ".wfe" / "templates").mkdir(parents=True)
    home.mkdir()
    files = {
        ".wfe/templates/letter.json": json.dumps(_TEMPLATE),
        ".wfe/config.toml": '[checks.test]\nargv = ["true"]\n[ui]\nauto = false\n',
        ".gitignore": ".wfe/runs/\nchange.json\n",
        "app.py": "VALUE = 1\n" * 30,
    }
    for name, text in (files | {f"f{number}.py": f"x = {number}\n" for number in range(200)}).items():
        (project / name).write_text(text, encoding="utf-8")
    ada = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*ada, "commit", "-qm", "begin"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WFE_", "XDG_", "PYTHON", "GIT_", "LINES", "COLUMNS"))
    }
    change = {"summary": "A change", "files": ["app.py"]}
    (project / "change.json").write_text(json.dumps(change), encoding="utf-8")
    url = f"sqlite:///{(place / 'wfe.db').as_posix()}"
    environment = kept | {"HOME": str(home), "PYTHONPATH": str(program), "WFE_DATABASE_URL": url}
    subprocess.run([sys.executable, "-c", _PERSON, str(project)], cwd=project, env=environment, check=True)
    port = free_port()
    with ExitStack() as stack:
        page = subprocess.Popen(
            [sys.executable, "-m", "wfe_mcp", "ui", "--no-browser", "--port", str(port)],
            cwd=project,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(page.wait)
        stack.callback(page.terminate)
        await_page(port)
        yield _Side(project, environment, page.pid, port)


def await_page(port: int) -> None:
    """Wait until something listens at ``port``."""
    until = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _got(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_ms(pid: int) -> float:
    """User and system time of a process, its ended children included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * 1000 / os.sysconf("SC_CLK_TCK")
