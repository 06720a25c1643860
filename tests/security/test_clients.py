"""Whichever client the agent has and however it was started, its own children decide nothing; a terminal beside it does."""

import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.conftest import until
from tests.security.machine import PIN, Machine, typist

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not show standard streams")
PATIENCE_S = 120
FRAMES: list[dict[str, Any]] = [
    {
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/call", "params": {"name": "status", "arguments": {}}},
]
GREETING = "".join(json.dumps({"jsonrpc": "2.0", **frame}) + "\n" for frame in FRAMES)
"""What a client says first; then its server is registered."""

PYTHON = """
import os, subprocess, sys, time
serve = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
serve.stdin.write(open(sys.argv[1] + "/greeting", "rb").read()); serve.stdin.flush()
while not os.path.exists(sys.argv[1] + "/go.sh"):
    time.sleep(0.1)
subprocess.run(["sh", sys.argv[1] + "/go.sh"], stdin=subprocess.DEVNULL)
serve.stdin.close(); serve.wait()
"""
NODE = """
const { spawn, spawnSync } = require("child_process"), fs = require("fs");
const [place, ...command] = process.argv.slice(2);
const serve = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "ignore"] });
serve.stdin.write(fs.readFileSync(place + "/greeting"));
serve.stdout.resume();
const look = setInterval(() => {
  if (!fs.existsSync(place + "/go.sh")) return;
  clearInterval(look);
  spawnSync("sh", [place + "/go.sh"], { stdio: ["ignore", "ignore", "ignore"] });
  serve.stdin.end();
}, 100);
"""
SHELL = """
place=$1; shift
mkfifo "$place/in" "$place/out"
"$@" < "$place/in" > "$place/out" &
exec 3> "$place/in" 4< "$place/out"
cat "$place/greeting" >&3
until [ -e "$place/go.sh" ]; do sleep 0.1; done
sh "$place/go.sh" < /dev/null
exec 3>&- 4<&-
wait
"""
WRAPPER = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
"""What uvx and npx do: start another program, which has their standard streams."""

LANGUAGES = {"python": (PYTHON, sys.executable), "node": (NODE, "node"), "shell": (SHELL, "sh")}
CASES = [
    *((language, "direct") for language in LANGUAGES),
    ("shell", "tmux"),
    ("node", "nohup"),
    ("python", "wrapper"),
    ("python", "uvx"),
    ("node", "npx"),
    ("python", "server by uvx"),
    ("node", "server by npx"),
]
"""Each language and each way. A way is about what is above the client or between it and its server, a language about what the
client does below. The last four: a client that uvx or npx starts from a local package, and one whose server they start."""

NEEDS = {"tmux": "tmux", "npx": "npx", "server by npx": "npx"}
PACKAGE = "wfeclient"
QUIET = {"npm_config_update_notifier": "false", "npm_config_offline": "true", "UV_OFFLINE": "1", "UV_NO_CONFIG": "1"}
NODE_WRAPPER = """#!/usr/bin/env node
const { spawn } = require("child_process");
spawn(process.argv[2], process.argv.slice(3), { stdio: "inherit" }).on("exit", (code) => process.exit(code ?? 1));
"""


def uv() -> str | None:
    """The program of uv: on the path, or in an environment of this repository."""
    folders = (Path(sys.executable).parent, Path(__file__).parents[2] / ".uv" / "bin")
    return shutil.which("uv") or next(
        (found for each in folders if (found := shutil.which("uv", path=str(each)))), None
    )


def by_uvx(place: Path, text: str, name: str) -> list[str]:
    """The command that runs ``text`` by uvx, from a wheel in a folder of the test: nothing is built or fetched."""
    info, wheel = f"{name}-1.dist-info", place / f"{name}-1-py3-none-any.whl"
    body = "".join(f"    {line}\n" for line in text.strip().splitlines())
    files = {
        f"{name}.py": f"def main():\n{body}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as made:
        for path, content in files.items():
            made.writestr(path, content)
    return [str(uv()), "tool", "run", "--offline", "--python", sys.executable, "--from", str(wheel), name]


def by_npx(place: Path, text: str, name: str) -> list[str]:
    """The command that runs ``text`` by npx, from a package in a folder of the test."""
    folder = place / name
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0", "bin": {name: "main.js"}}))
    (folder / "main.js").write_text(text if text.startswith("#!") else f"#!/usr/bin/env node\n{text}")
    (folder / "main.js").chmod(0o755)
    return ["npx", "--offline", "--yes", str(folder)]


class Client:
    """A client in ``language``, started the ``way`` that is named; what it must run comes by a file."""

    def __init__(self, machine: Machine, language: str, way: str) -> None:
        self.machine, self.way, self.place = machine, way, machine.place / "client"
        self.place.mkdir()
        (self.place / "greeting").write_text(GREETING)
        text, program = LANGUAGES[language]
        script = self.place / "client"
        script.write_text(text)
        before = {
            "wrapper": lambda: [sys.executable, "-c", WRAPPER],
            "server by uvx": lambda: by_uvx(self.place, WRAPPER.replace("; ", "\n"), "wfeserver"),
            "server by npx": lambda: by_npx(self.place, NODE_WRAPPER, "wfeserver"),
        }.get(way, list[str])()
        runs = {
            "uvx": lambda: by_uvx(self.place, text, PACKAGE),
            "npx": lambda: by_npx(self.place, text, PACKAGE),
        }.get(way, lambda: [program, str(script)])()
        self.argv = [*runs, str(self.place), *before, *machine.wfe("serve")]
        self.process = self._start()
        until(lambda: bool(machine.clients()), PATIENCE_S, every_s=0.05)

    @property
    def tmux(self) -> list[str]:
        """The command of a tmux server of this test alone."""
        return ["tmux", "-f", "/dev/null", "-S", str(self.place / "tmux")]

    def _start(self) -> subprocess.Popen[bytes] | None:
        nothing, where, env = subprocess.DEVNULL, self.machine.project, self.machine.env | QUIET
        if self.way == "tmux":
            subprocess.run([*self.tmux, "new-session", "-d", shlex.join(self.argv)], check=True, cwd=where, env=env)
        elif self.way == "nohup":  # its own parents are gone at once
            line = f"nohup {shlex.join(self.argv)} > /dev/null 2>&1 &"
            subprocess.run(
                ["sh", "-c", line], check=True, stdin=nothing, stdout=nothing, stderr=nothing, cwd=where, env=env
            )
        else:
            return subprocess.Popen(self.argv, stdin=nothing, stdout=nothing, stderr=nothing, cwd=where, env=env)
        return None

    def child_says(self, *argv: str) -> str:
        """What ``argv`` says when the client runs it; then the client ends."""
        lines, ended = self.place / "said", self.place / "ended"
        line = f"cd {shlex.quote(str(self.machine.project))}\n{shlex.join(argv)} > {lines} 2>&1\ntouch {ended}\n"
        (self.place / "ready").write_text(line)
        (self.place / "ready").rename(self.place / "go.sh")
        until(ended.exists, PATIENCE_S)
        return lines.read_text()

    def approve_beside(self, run: str) -> None:
        """Approve in a terminal beside the client: for tmux, in another window of the same one.

        What is typed at a terminal of its own is the same for every client, so once is enough (``direct``).
        """
        argv = self.machine.wfe("approve", run, "write")
        if self.way not in ("tmux", "direct"):
            self.machine.run(*argv, "--pin-fd", "0", given=PIN)
            return
        argv = typist("PIN to sign", PIN, *argv)
        if self.way == "direct":
            self.machine.run(*argv)
            return
        done = self.place / "beside"
        line = f"{shlex.join(argv)} > {self.place / 'heard'} 2>&1; touch {done}"
        subprocess.run(
            [*self.tmux, "new-window", "-d", line], check=True, cwd=self.machine.project, env=self.machine.env
        )
        until(done.exists, PATIENCE_S)

    def close(self) -> None:
        """The client ends, and tmux with it."""
        if not (self.place / "go.sh").exists():
            self.child_says("true")
        if self.process is not None:
            self.process.wait(PATIENCE_S)
        # tmux comes last: its signal would end our server before it has taken its entry out of the database
        until(lambda: not self.machine.clients(), PATIENCE_S, every_s=0.05)
        if self.way == "tmux":
            subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)


@pytest.mark.parametrize(("language", "way"), CASES, ids=[f"{way}-{language}" for language, way in CASES])
@pytest.mark.attack("a client in any language, however it was started, approves from its own child", "held", "T1")
def test_a_clients_child_decides_nothing_and_a_terminal_beside_it_does(
    machine: Machine, language: str, way: str
) -> None:
    for program in (LANGUAGES[language][1], NEEDS.get(way, "sh")):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    if way.endswith("uvx") and uv() is None:
        pytest.skip("no uv here")
    machine.person()
    mine, yours = machine.letter(), machine.letter()
    client = Client(machine, language, way)
    try:
        (pid,) = machine.clients()
        client.approve_beside(mine)
        assert machine.state(mine) == "completed"
        answer = client.child_says(*typist("PIN to sign", PIN, *machine.wfe("approve", yours, "write")))
        name = Path(f"/proc/{pid}/comm").read_text().strip() if Path(f"/proc/{pid}").exists() else ""
        assert f"{name} (process {pid}). A decision here does not count." in " ".join(answer.split()), answer
        assert "wfe-mcp ui" in answer
        assert machine.state(yours) == "awaiting"
    finally:
        client.close()
