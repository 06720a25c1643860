"""A project whose environment ``local`` is a real HTTP service: its deploy check starts it, its health check asks it."""

import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure, rows
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.delivery.operations import Operation, operations_of
from wfe_mcp.engine.runs.start import start_run

SERVICE = """
import http.server, os, sys
from pathlib import Path

here = Path(__file__).parent
status = int((here / "status.txt").read_text())

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(here.name.encode())

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
(here / "port.new").write_text(str(server.server_address[1]))
(here / "port.new").rename(here / "port.txt")
server.serve_forever()
"""

DEPLOY = """
import os, shutil, signal, subprocess, sys, time
from pathlib import Path

target, commit = Path(os.environ["TARGET"]), os.environ["WFE_COMMIT"]
target.mkdir(exist_ok=True)
with (target / "calls.txt").open("a") as calls:
    calls.write(f"{sys.argv[1]} {commit} {Path('status.txt').read_text().strip()}\\n")
if (target / "die.txt").exists():
    (target / "die.txt").unlink()
    os.kill(int(os.environ["WORKER"]), signal.SIGKILL)
    sys.exit(1)
here = target / commit
shutil.rmtree(here, ignore_errors=True)
shutil.copytree(".", here, ignore=shutil.ignore_patterns(".wfe"))
pid = target / "pid.txt"
if pid.exists():
    os.kill(int(pid.read_text()), signal.SIGKILL)
child = subprocess.Popen(
    [sys.executable, "-S", str(here / "service.py")],
    start_new_session=True,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
pid.write_text(str(child.pid))
while not (here / "port.txt").exists():
    time.sleep(0.01)
(target / "at.txt").write_text((here / "port.txt").read_text())
print("started", child.pid)
"""

HEALTH = """
import os, sys, urllib.request
from pathlib import Path

target = Path(os.environ["TARGET"])
with (target / "calls.txt").open("a") as calls:
    calls.write(f"{sys.argv[1]} {os.environ['WFE_COMMIT']}\\n")
port = (target / "at.txt").read_text()
with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
    print("runs", answer.read().decode())
"""


@contextmanager
def environment(scene: Scene, *keys: str, name: str = "local", test: bool = True) -> Generator[Path]:
    """The project has the environment ``name``; its folder. The service that was started last is ended by its pid."""
    target = scene.root.parent / f"target-{name}"
    for file, text in {"service.py": SERVICE, "deploy.py": DEPLOY, "health.py": HEALTH, "status.txt": "200\n"}.items():
        scene.write(file, text)
    commit(scene, "the service")
    checks = {"roll_out": ["deploy.py", "deploy"], "alive": ["health.py", "health"], "smoke": ["health.py", "test"]}
    for check, words in checks.items():
        argv = json.dumps([sys.executable, "-S", *words])
        configure(scene, f"[checks.{check}]\nargv = {argv}\nenv = ['WORKER']\n")
    known = [
        f"[environments.{name}]",
        'kind = "local"',
        'deploy = "roll_out"',
        'health = "alive"',
        'wait = "1ms"',
        "tries = 2",
    ]
    known += ['test = "smoke"'] if test else []
    configure(scene, *known, f"variables = {{ TARGET = {json.dumps(str(target))} }}", *keys)
    try:
        yield target
    finally:
        if (target / "pid.txt").exists():
            with suppress(ProcessLookupError):
                os.kill(int((target / "pid.txt").read_text()), signal.SIGKILL)


def commit(scene: Scene, message: str) -> str:
    """Commit all files; the commit."""
    scene.git("add", "-A", "--", ".", ":!.wfe")
    scene.git("commit", "-q", "-m", message)
    return scene.git("rev-parse", "HEAD").strip()


def begin(scene: Scene, environment: str = "local", **inputs: Any) -> str:
    """A run that deploys, up to its approval; its id."""
    schema = {
        "type": "object",
        "properties": {"environment": {"type": "string"}, "commit": {"type": "string", "default": ""}},
    }
    params = {"environment": "${inputs.environment}", "commit": "${inputs.commit}"}
    scene.define(
        {
            "id": "live",
            "kind": "steps",
            "steps": [{"id": "out", "builtin": "deploy", "params": params}],
            "on_fail": [{"do": "wait_human"}],
        },
        name="ship",
        schema=schema,
    )
    scene.clock.advance(minutes=1)
    given = {"environment": environment, **inputs}
    run = str(start_run(scene.engine, HUMAN, "ship", given).record.id)
    scene.work()
    return run


def approve(scene: Scene, run: str, name: str = "live", **keys: Any) -> None:
    approvals.ask(scene.engine, HUMAN, run, name)
    approvals.decide(scene.engine, HUMAN, run, name, **keys)


def deploy(scene: Scene, environment: str = "local", **inputs: Any) -> str:
    """A run that deployed, or failed to; its id."""
    run = begin(scene, environment, **inputs)
    approve(scene, run)
    scene.work()
    return run


def result(scene: Scene, run: str) -> Any:
    """The result of the step, or its fault as text."""
    row = rows(scene, run, "live")["out"]
    return row.output if row.status == "done" else row.error


def operations(scene: Scene, run: str) -> list[Operation]:
    return operations_of(scene.engine, run)


def calls(target: Path) -> list[str]:
    """What the checks were called for, with the first characters of each commit."""
    return [line[: line.index(" ") + 8] for line in (target / "calls.txt").read_text().splitlines()]


def answer(target: Path) -> str:
    """The commit that the service says it is; empty where none answers."""
    try:
        with urlopen(f"http://127.0.0.1:{(target / 'at.txt').read_text()}/") as given:
            return str(given.read().decode())
    except (OSError, URLError):
        return ""
