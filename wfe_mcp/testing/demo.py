"""The demo: wfe-mcp in half a minute.

A scripted agent fixes a real bug with the real server: its own process, a git repository, a test run, a throwaway
database. All output is real; an unexpected answer ends the demo.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, Channel, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.testing.demo_stage import ENVIRONMENT, FAILING_TEST, FILES, FIXED, PROBLEM, TEST_NAME, Stage, check
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import NoAnswer, ProtocolError, ServerGone, StdioClient
from wfe_mcp.workspace.system.shell_words import shell_line, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.store.records.runs import EventRecord

_ASK_S = 60
"""How long the demo waits for an answer before it continues."""

_CHANGE = {"summary": "slug() turns dots into dashes", "files": ["slug.py"]}

Answer = dict[str, Any]


class _Stopped(Exception):
    """The server gave an unexpected answer."""


def main(argv: Sequence[str]) -> int:
    """Play the demo. 0 when everything worked, 1 with the reason when not, 2 for wrong arguments."""
    parser = argparse.ArgumentParser("wfe-mcp demo", description="See a bug fixed under the eyes of the referee.")
    parser.add_argument("--yes", action="store_true", help="do not ask: the demo decides in place of the person")
    parser.add_argument("--folder", type=Path, help="where to play (default: a new temporary folder)")
    try:
        arguments = parser.parse_args(list(argv))
    except SystemExit as exc:
        return 2 if exc.code else 0
    folder: Path = arguments.folder or Path(tempfile.mkdtemp(prefix="wfe-demo-"))
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _play(folder, _Person(sys.stdin, ask=not arguments.yes and sys.stdin.isatty() and sys.stdout.isatty()))
    except (Refused, _Stopped, NoAnswer, ProtocolError, ServerGone, OSError) as exc:
        sys.stderr.write(f"\nThe demo stopped: {exc}\nWhat it left is in {folder}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\nStopped by you. What the demo left is in {folder}\n")
        return 1
    return 0


def _play(folder: Path, person: _Person) -> None:
    began = time.monotonic()
    stage = Stage(sys.stdout, {sys.executable: "python", str(folder): "…"})
    stage.narrate("wfe-mcp: the agent does the work, the server is the referee.", "title")
    stage.narrate("A real git repository with a bug, a real server, real test runs. Only the agent is scripted.")
    stage.narrate("'agent' is a tool call over MCP; 'server' is what came back, word for word.", "quiet")
    with Playground(folder, files=FILES, checks={"test": check()}, environment=ENVIRONMENT) as project:
        play = _Play(stage, project, person)
        play.first_server()
        play.second_server()
        play.what_is_left()
    stage.narrate()
    stage.narrate(
        f"Played in {time.monotonic() - began:.0f} s. Everything is in {folder}: look around, then delete it."
    )


class _Person:
    """The user at the terminal, if there is one."""

    def __init__(self, source: TextIO, *, ask: bool) -> None:
        self._source = source
        self._ask = ask

    def answer(self, question: str) -> str | None:
        """The typed answer; None without a user, or without an answer in time."""
        if not self._ask:
            return None
        sys.stdout.write(question)
        sys.stdout.flush()
        typed: list[str] = []
        reader = threading.Thread(target=lambda: typed.append(self._source.readline()), daemon=True)
        reader.start()
        reader.join(_ASK_S)
        if not typed or not typed[0]:
            self._ask = False
            sys.stdout.write("\n")
            return None
        return typed[0].strip().lower()


class _Play:
    """The acts, in order."""

    def __init__(self, stage: Stage, project: Playground, person: _Person) -> None:
        self.stage = stage
        self.project = project
        self.person = person
        self.run = RunId("")
        self.orphaned = False

    # -- the first server --------------------------------------------------------------------------------------------

    def first_server(self) -> None:
        """From the start of the run to the kill in the middle of a test run."""
        with self._server() as agent:
            self._start(agent)
            self._bad_artifact(agent)
            self._failing_test(agent)
            self._empty_claim(agent)
            self._killed_while_testing(agent)

    def _start(self, agent: StdioClient) -> None:
        self.stage.act("A run begins")
        self.stage.agent(f'start_run quick_fix  "{PROBLEM}"')
        answer = _ok(agent.call("start_run", template="quick_fix", inputs={"problem": PROBLEM}))
        self.run = RunId(answer["run"])
        self.stage.server(answer)
        self.stage.agent("start_phase")
        answer = _ok(agent.call("start_phase", run=self.run))
        self.stage.server(answer, _first_task(answer))

    def _bad_artifact(self, agent: StdioClient) -> None:
        self.stage.act("A sloppy artifact is refused, every fault at once")
        sloppy = {"test": TEST_NAME, "why": "replaces spaces only", "expected": 1, "reason": "see above"}
        self.stage.agent(f"submit_artifact reproduce  {json.dumps(sloppy)}")
        self.stage.server(
            _expect_refusal(
                "invalid_artifact", agent.call("submit_artifact", run=self.run, phase="reproduce", artifact=sloppy)
            )
        )

    def _failing_test(self, agent: StdioClient) -> None:
        self.stage.act("The bug is shown: a test that fails")
        self.project.write({"tests/test_slug.py": FAILING_TEST})
        proof = {
            "test": f"tests/test_slug.py::TestSlug::{TEST_NAME}",
            "file": "tests/test_slug.py",
            "why": "slug() replaces spaces only",
            "expected": "v1-2-final",
            "actual": "v1.2-final",
        }
        self.stage.agent(f"writes {TEST_NAME} into tests/test_slug.py, then submit_artifact reproduce")
        answer = _ok(agent.call("submit_artifact", run=self.run, phase="reproduce", artifact=proof))
        if answer["state"] == "gating":  # on a slow machine the call answers before the tests have ended
            answer = self._wait_for_gates(agent, 0)[0]
        _expect(answer["state"] == "completed", answer)
        self.stage.server(answer, *_evidence(answer))

    def _empty_claim(self, agent: StdioClient) -> None:
        self.stage.act('"Fixed, all tests pass", says the agent. It has changed nothing')
        _ok(agent.call("start_phase", run=self.run))
        self.stage.agent(f"start_phase; submit_artifact fix  {json.dumps(_CHANGE)}")
        answer = _expect_refusal(
            "gate_failed", agent.call("submit_artifact", run=self.run, phase="fix", artifact=_CHANGE)
        )
        self.stage.server(answer)

    def _killed_while_testing(self, agent: StdioClient) -> None:
        self.stage.act("The real fix, and kill -9 in the middle of its test run")
        answer = _ok(agent.call("start_phase", run=self.run))
        self.project.write({"slug.py": FIXED})
        self.stage.agent("fixes slug.py, then submit_artifact fix")
        agent.begin("submit_artifact", run=self.run, phase="fix", attempt=answer["data"]["attempt"], artifact=_CHANGE)
        child = self._test_run()
        agent.kill()
        self.orphaned = self._fix().status is AttemptStatus.GATING
        what = f"while its tests ran as process {child}" if self.orphaned else "just after its tests"
        self.stage.kill(f"server {agent.pid} is dead, {what}; no answer was sent")

    def _test_run(self) -> int | None:
        """The process of the running check; None when it has ended already."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with self.project.engine.store.read() as tx:
                jobs = [job for job in tx.jobs.running() if job.run_id == self.run and job.child_pid is not None]
            if jobs:
                return jobs[0].child_pid
            if self._fix().status is AttemptStatus.AWAITING:
                return None
            time.sleep(0.005)
        raise _Stopped("the submission of the fix did not reach its tests within 30 s")

    def _fix(self) -> Attempt:
        with self.project.engine.store.read() as tx:
            return self.project.engine.load(tx, self.run).state.current(PhasePath("fix"))

    # -- the second server -------------------------------------------------------------------------------------------

    def second_server(self) -> None:
        """A new process continues where the first one stopped."""
        with self._server() as agent:
            self.stage.kill(f"a new server starts ({agent.pid})")
            self._continue(agent)
            self._own_approval(agent)
            self._decision()
            self._end(agent)

    def _continue(self, agent: StdioClient) -> None:
        answer, calls = self._wait_for_gates(agent, 1)
        _expect(answer.get("waiting_on") == "human", answer)
        self.stage.agent("status wait_s=45")
        self.stage.server(answer, *_evidence(answer))
        how = "One call, and the run continues" if calls == 1 else f"After {calls} calls the run continues"
        tests = ", the orphaned tests were ended and ran again" if self.orphaned else ""
        self.stage.narrate(f"{how}: the submission was stored{tests}.", "quiet")

    def _wait_for_gates(self, agent: StdioClient, phase: int) -> tuple[Answer, int]:
        """What ``status`` answers when no job of the run waits any more, with the state and facts of a phase; and its calls."""
        answer, calls = _ok(agent.call("status", run=self.run, wait_s=45)), 1
        while answer.get("waiting_on") in {"job", "reviewer"} and calls < 8:
            answer, calls = _ok(agent.call("status", run=self.run, wait_s=45)), calls + 1
        facts = _ok(agent.call("status", run=self.run, detail="full"))["data"]["phases"][phase]
        return answer | {"state": facts["state"], "data": facts}, calls

    def _own_approval(self, agent: StdioClient) -> None:
        self.stage.act("The agent tries to approve its own work")
        self.stage.agent('approve fix  comment="The user said it is fine."')
        comment = "The user said it is fine."
        answer = _expect_refusal("needs_human", agent.call("approve", run=self.run, phase="fix", comment=comment))
        self.stage.server(answer, f"waiting_on: {answer['waiting_on']}")

    def _decision(self) -> None:
        self.stage.act("A person decides")
        self.stage.lines(
            "\n".join(
                line for line in self.project.git("diff", "--", "slug.py").splitlines() if line[:3] in {"+  ", "-  "}
            )
        )
        typed = self.person.answer("\n  You are the person. Approve this change? [y/n] ")
        if typed is not None and not typed.startswith("y"):
            why = self.person.answer("  Why not? The agent will read it: ") or "no reason given"
            self.project.reject(self.run, "fix", why)
            self.stage.person(f"no: {why}")
        elif typed is not None:
            self.project.approve(self.run, "fix")
            self.stage.person("yes (recorded with channel 'demo')")
        else:
            self.project.approve(self.run, "fix", "the demo decides for you")
            self.stage.person("no one at a terminal: the demo approves in your place, recorded with channel 'demo'")
        self.stage.narrate("In your own projects an approval takes your PIN, which the agent has never seen.", "quiet")

    def _end(self, agent: StdioClient) -> None:
        answer = _ok(agent.call("status", run=self.run))
        self.stage.agent("status")
        self.stage.server(answer)
        if answer["run_state"] != "completed":
            answer = _ok(agent.call("start_phase", run=self.run))
            self.stage.agent("start_phase")
            lines = [line for feedback in answer["data"]["feedback"][-1:] for line in feedback["message"].splitlines()]
            self.stage.server(answer, *(f"feedback: {line}" for line in lines))

    # -- the result --------------------------------------------------------------------------------------------------

    def what_is_left(self) -> None:
        """The log, the files, the verification, and what to try next."""
        self.stage.act("What is left: an append-only log, each row chained to the one before")
        with self.project.engine.store.read() as tx:
            events = tx.events.of_run(self.run)
        problems = self.project.problems(self.run)
        for event in events:
            self.stage.lines(_log_line(event))
        self.stage.act("And files to read, in .wfe/runs: prompts, artifacts, feedback, evidence")
        for line in _folders(self.project.root / ".wfe" / "runs" / self.run):
            self.stage.lines(line)
        self.stage.act("Is the log true?")
        _expect(not problems, {"problems": [str(problem) for problem in problems]})
        self.stage.narrate(
            f"Verified: {len(events)} events, chain unbroken, replaying them gives exactly the stored state."
        )
        self.stage.narrate("Look for yourself:", "quiet")
        self.stage.narrate()
        for line in _commands(self.project, self.run):
            self.stage.verbatim(line)

    def _server(self) -> StdioClient:
        return self.project.server(name="demo-agent")


def _log_line(event: EventRecord) -> str:
    verdict: Any = event.payload.get("verdict")
    what = f"{event.type} {verdict['outcome']}" if isinstance(verdict, dict) else event.type
    where = f"{event.payload['phase']} #{event.payload['attempt']}" if "attempt" in event.payload else ""
    sure = f", {event.assurance.name.lower()}" if event.channel is not Channel.SYSTEM else ""
    return f"{event.seq:>3}  {event.hash[:8]}  {what:<20}{where:<15}{event.actor} ({event.channel}{sure})"


def _folders(run: Path) -> list[str]:
    """One line per attempt: its folder and the files in it."""
    names_by_attempt: dict[str, list[str]] = {}
    for path in sorted(run.rglob("*")):
        parts = path.relative_to(run).parts
        if path.is_file():
            names_by_attempt.setdefault("/".join(parts[:2]), []).append("/".join(parts[2:]))
    return [f"{run.name}/{attempt:<13}{'  '.join(names)}" for attempt, names in names_by_attempt.items()]


def _commands(project: Playground, run: str) -> list[str]:
    """The commands to try next; the program by its full path, because an isolated one is not on PATH."""
    script = Path(sys.executable).with_name("wfe-mcp.exe" if sys.platform == "win32" else "wfe-mcp")
    program = shell_line([str(script)] if script.exists() else [sys.executable, "-m", "wfe_mcp"])
    name, url, place = "WFE_DATABASE_URL", project.environment["WFE_DATABASE_URL"], str(project.root)
    named, folder = f"export {name}={shell_word(url)}", shell_word(place)
    if sys.platform == "win32":  # for PowerShell, which runs a program between quotes only behind "&"
        program = f'& "{script}"' if script.exists() else f'& "{sys.executable}" -m wfe_mcp'
        named, folder = f'$env:{name} = "{url}"', f'"{place}"'
    return [f"cd {folder}", named, f"{program} show {run}", f"{program} verify {run}"]


def _first_task(answer: Answer) -> str:
    """The beginning of the prompt that came with the phase."""
    lines = [line for line in answer["data"]["prompt"].splitlines() if line and not line.startswith("#")]
    gates = ", ".join(gate["kind"] for gate in answer["data"].get("gates", []))
    return f"prompt: {lines[0]} …" + (f"  gates: {gates}" if gates else "")


def _evidence(answer: Answer) -> list[str]:
    """The evidence of the gates, one line each."""
    verdicts: list[Answer] = answer["data"].get("verdicts", [])
    return [f"evidence: {verdict['message'].splitlines()[0]}" for verdict in verdicts if verdict.get("message")]


def _ok(answer: Answer) -> Answer:
    _expect(answer["ok"], answer)
    return answer


def _expect_refusal(code: str, answer: Answer) -> Answer:
    _expect(answer.get("error", {}).get("code") == code, answer)
    return answer


def _expect(met: bool, answer: Answer) -> None:
    if not met:
        raise _Stopped(f"this answer was not expected: {json.dumps(answer)[:1500]}")
