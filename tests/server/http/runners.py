"""A project whose check runs on a runner, runner processes with folders of their own, and a runner that is written in the test."""

import json
import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.loopback import TLS
from tests.server.conftest import DRILL, HUMAN, House
from tests.server.http.conftest import Running
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.workflow.load import digest

CHECK = """
import os, pathlib, sys, time
print("looking", flush=True)
while "SLOW" in os.environ:
    time.sleep(0.05)
sys.exit(int(pathlib.Path("exit").read_text()))
"""
"""It never ends on a runner that has the variable SLOW."""
LEASE_S = 3


def configure(house: House, **check: object) -> None:
    """A check in the project's files, on a runner, trusted."""
    (house.root / "check.py").write_text(CHECK)
    (house.root / "exit").write_text("0")
    keys = {"argv": [sys.executable, "check.py"], "where": "runner", "env": ["SLOW"], **check}
    config = house.root / ".wfe" / "config.toml"
    config.write_text("[checks.ok]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
    engine = house.engine()
    with engine.store.tx() as tx:
        sha256 = sha256_hex(config.read_bytes())
        tx.trust.give(engine.project_id, str(config.resolve()), sha256, HUMAN, utc_now())


def serving_runners(house: House) -> Iterator[Running]:
    """A server whose check runs on a runner, until it is not needed."""
    configure(house)
    made = Running(house)
    made.start()
    yield made
    made.end()


def settle(house: House, other: House) -> None:
    """The same template and check in another project, trusted."""
    shutil.copytree(house.root / ".wfe" / "templates", other.root / ".wfe" / "templates")
    configure(other)
    engine = other.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key("drill"), digest(DRILL), HUMAN, utc_now())


@dataclass
class Machine:
    """A machine with a runner: its own data directory and nothing of the server's."""

    running: Running
    folder: Path
    token: str
    processes: list["subprocess.Popen[str]"] = field(default_factory=list["subprocess.Popen[str]"])

    def start(self, *more: str, **variables: str) -> "subprocess.Popen[str]":
        env = variables | {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "WFE_TOKEN": self.token,
            "TMPDIR": str(self.folder),
        }
        argv = [
            sys.executable,
            "-m",
            "wfe_mcp",
            "runner",
            "--server",
            self.running.url,
            "--lease",
            f"{LEASE_S}s",
            *more,
        ]
        self.folder.mkdir(exist_ok=True)
        self.processes.append(
            subprocess.Popen(
                argv, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return self.processes[-1]

    def says(self, process: "subprocess.Popen[str]", text: str) -> None:
        """Wait until the runner prints a line with ``text``."""
        assert process.stdout is not None
        seen = list[str]()
        for line in process.stdout:
            seen.append(line)
            if text in line:
                return
        raise AssertionError(f"{text!r} is not in {seen}")

    def done(self, *more: str) -> str:
        """What a runner printed that ended by itself."""
        process = self.start("--once", *more)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        return output


class OwnRunner:
    """A runner that the test plays itself, by raw requests."""

    def __init__(self, running: Running, token: str) -> None:
        self.running, self.token, self.key = running, token, Ed25519PrivateKey.generate()
        self.public = _text(self.key.public_key().public_bytes_raw())

    def post(self, path: str, body: object = None, token: str = "") -> httpx2.Response:
        return self.running.post(body, f"/runner/v1/{path}", Authorization=f"Bearer {token or self.token}")

    def claim(self, **more: Any) -> dict[str, Any]:
        answer = self.post("claim", {"key": self.public, "wait_s": 20, **more})
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()["task"]
        return task

    def waiting(self) -> list[dict[str, Any]]:
        with httpx2.Client(trust_env=False, verify=TLS) as http:
            answer = http.get(
                f"{self.running.url}/runner/v1/waiting", headers={"Authorization": f"Bearer {self.token}"}
            )
        found: list[dict[str, Any]] = answer.json()["waiting"]
        return found

    def report(self, task: dict[str, Any], log: bytes = b"", **more: Any) -> dict[str, Any]:
        """A report of a pass, with ``more`` in place of what is true, signed."""
        names = ("job", "fence", "project", "run", "phase", "attempt", "runner", "tree")
        said = {name: task[name] for name in names} | {"format": "wfe-runner/1", "key": self.public}
        said |= {"argv": task["check"]["argv"], "argv_run": task["check"]["argv"], "root": "/clean", "exit_code": 0}
        said |= {"timed_out": False, "duration_s": 0.5, "output_bytes": len(log), "log_sha256": sha256_hex(log)}
        said |= {"reports": {}, "changed": [], "survivors": 0, "place": {}, "notes": [], "fault": "", "next_step": ""}
        said |= {"no_program": False} | more
        return {"statement": said, "signature": self.signed(said), "log": urlsafe_b64encode(log).decode()}

    def signed(self, said: dict[str, Any]) -> str:
        return _text(self.key.sign(canonical_json(said).encode()))


def evidence(house: House, run: str) -> list[EvidenceRecord]:
    engine = house.engine()
    with engine.store.read() as tx:
        return tx.evidence.of_run(engine.load(tx, run).record.id)


def gate_jobs(house: House) -> list[JobRecord]:
    with house.engine().store.read() as tx:
        return [each for each in tx.jobs.filter() if each.kind == "gate"]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
