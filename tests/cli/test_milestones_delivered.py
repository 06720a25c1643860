"""Three milestones with eight tasks, from a plan to the base branch: each way to close a milestone, by commands alone."""

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.delivered import git
from tests.cli.scene import PIN, Said, Terminal
from tests.delivery.stub_forge import TOKEN, StubForge, serving, stub_command
from tests.engine.scene import AGENT
from tests.templates.outside import CHECK, CHECKS
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at

PLAN = "# Milestones\n" + "".join(
    f"## M{number} - {title}\nGoal: {title}\nTasks:\n"
    + "".join(f"- {each}\n  Acceptance: {each} shows it\n" for each in tasks)
    for number, (title, tasks) in enumerate(
        {
            "Write the archive": ("Stream into a zip", "List the artifacts", "Close the zip"),
            "Read the archive": ("Read the list", "Unpack the artifacts", "Refuse a torn zip"),
            "Name the archive": ("Name it by the day", "Number a second one"),
        }.items(),
        1,
    )
)
WAYS = [
    ("merge", "", ""),
    *(("pull_request", forge, login) for forge in ("github", "gitlab") for login in ("token", "login")),
]


@dataclass
class Play:
    """A project that delivers to the bare remote of a forge, and the worker that follows the template."""

    cli: Terminal
    remote: Path
    forge: StubForge
    engine: Engine
    worker: Worker
    run: str = ""

    def say(self, *words: str, pin: bool = False, code: int = 0) -> Said:
        said = self.cli.json(*words, pin=PIN if pin else None)
        assert said.code == code, said.out + said.err
        return said

    def work(self) -> dict[str, Any]:
        """The server's steps and gates are worked until someone else has to act; the status."""
        while self.worker.work_one():
            pass
        return self.say("status", self.run).document

    def submit(self, phase: str, artifact: dict[str, Any], **files: str | None) -> dict[str, Any]:
        """The agent claims a phase, writes files (None deletes), and submits."""
        self.cli.clock.forward(minutes=1)
        answers.start_phase(self.engine, AGENT, self.run, phase)
        for name, text in files.items():
            path = self.cli.root / f"{name}.txt"
            path.unlink() if text is None else path.write_text(text)
        answers.submit_artifact(self.engine, AGENT, self.run, phase, artifact=artifact)
        return self.work()

    def milestone(self, name: str, tasks: list[str]) -> None:
        """All of the agent's work on a milestone, and the person's approval."""
        for task in tasks:
            self.submit(f"milestone[{name}].task[{task}].implement", {"summary": f"did {task}"}, **{task: "done\n"})
        self.close(name)

    def close(self, name: str) -> None:
        passed: dict[str, Any] = {"verdict": "pass", "findings": [], "summary": "Every criterion has a test"}
        self.submit(f"milestone[{name}].accept[1].review", passed)
        self.submit(
            f"milestone[{name}].closeout", {"front": {"milestone": name, "title": "Done"}, "body": "It is there.\n"}
        )
        self.say("approve", self.run, f"milestone[{name}].closeout", pin=True)

    def start(self, item: str) -> None:
        self.say("work", "edit", item, "--status", "ready")
        self.run = self.say("work", "start", item).document["run"]

    def item(self, name: str) -> dict[str, Any]:
        return self.say("work", "show", name).data


@pytest.fixture(params=WAYS, ids=[" ".join(filter(None, way)) for way in WAYS])
def play(request: pytest.FixtureRequest, cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> Generator[Play]:
    mode, name, login = request.param
    prefix = "/api/v4" if name == "gitlab" else ""
    remote = cli.place / "state" / "shop" / "till.git"
    git(cli.root, "init", "-q", "-b", "main")
    git(cli.root, "config", "user.name", "Ada")
    git(cli.root, "config", "user.email", "ada@example.org")
    (cli.root / "check.py").write_text(CHECK)
    (cli.root / ".gitignore").write_text("__pycache__/\ndraft.json\n")
    with ExitStack() as stack:
        forge = stack.enter_context(serving(StubForge(remote)))
        lines = [f"[checks.test]\nargv = {json.dumps(CHECKS['test'])}", "[delivery]", f'mode = "{mode}"']
        if name:
            lines += ['strategy = "squash"', f'forge = "{name}"', f'api = "{forge.origin}{prefix}"']
        if login == "login":
            folder = cli.place / "state" / "programs"
            stub_command(folder, {"github": "gh", "gitlab": "glab"}[name], prefix)
            monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
        else:
            lines += [f"address = '{remote}'", 'credential = "forge"']
        (cli.root / ".wfe" / "config.toml").write_text("\n".join([*lines, ""]))
        assert cli.json("trust", "--yes", pin=PIN).code == 0
        assert cli.json("approvers", "add", "ada", "--key", "mine", pin=PIN).code == 0
        git(cli.root, "add", "-A")
        git(cli.root, "commit", "-q", "-m", "Name who approves")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
        git(cli.root, "remote", "add", "origin", str(remote))
        git(cli.root, "push", "-q", "origin", "main")
        engine = create_engine(project_at(cli.root), clock=cli.clock)
        stack.callback(engine.close)
        worker = new_worker(engine)
        stack.callback(worker.stop)
        yield Play(cli, remote, forge, engine, worker)


@pytest.mark.requirement("S3-01", "S3-09", "S3-10", "S3-16", "S3-18", "S3-20", "S3-21", "S3-23")
def test_three_milestones_of_eight_tasks_get_into_the_base_one_after_the_other(play: Play) -> None:
    plan = play.cli.place / "state" / "plan.md"
    plan.write_text(PLAN)
    play.say("work", "import", str(plan), "--ready")
    has_token = 'credential = "forge"' in (play.cli.root / ".wfe" / "config.toml").read_text()

    play.start("W-1")
    if has_token:
        blocked = play.work()
        what = (
            "There is no credential 'forge'. Ask the user to add it: wfe-mcp credential add forge; then retry the phase"
        )
        assert what in blocked["data"]["blockers"][0], blocked
        token = play.cli.place / "state" / "token"
        token.write_text(TOKEN)
        play.say("credential", "add", "forge", "--key", "stored", "--from-file", str(token), pin=True)
        play.say("retry", play.run, "milestone[W-1].branch", pin=True)
    play.work()
    play.milestone("W-1", ["W-2", "W-3", "W-4"])
    assert play.work()["run_state"] == "completed"
    early = play.say("work", "start", "W-9", code=1)
    assert early.refusal == "illegal_transition" or "W-5" in early.out

    play.start("W-5")
    play.work()
    at = "milestone[W-5].task[W-6].implement"
    play.submit(at, {"summary": "did W-6"}, broken="x")
    for number in (2, 3):
        play.submit(at, {"summary": "tried"}, again=str(number))
    diagnosis = {"class": "failed_checks", "fingerprint": "failed_checks:W-5:W-6", "human_required": False}
    play.submit(
        f"{at}[recovery-1].diagnose",
        diagnosis | {"cause": "broken.txt", "evidence": ["exit 1"], "next_step": "Remove it"},
    )
    play.submit(f"{at}[recovery-1].mend", {"summary": "nothing breaks it"}, broken=None)
    play.submit(at, {"summary": "did W-6"})
    play.milestone("W-5", ["W-7", "W-8"])
    assert play.work()["run_state"] == "completed"

    play.start("W-9")
    play.work()
    play.milestone("W-9", ["W-10", "W-11"])
    assert play.work()["run_state"] == "completed"

    items = [play.item(f"W-{number}") for number in range(1, 12)]
    assert {one["status"] for one in items} == {"done"}
    names = ["ai/W-1-write-the-archive", "ai/W-5-read-the-archive", "ai/W-9-name-the-archive"]
    assert [one["branch"] for one in items] == [*names[:1] * 4, *names[1:2] * 4, *names[2:] * 3]
    assert [len(one.get("commits", ())) for one in items] == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1]
    asked = [one["pull_request"] for one in items if "pull_request" in one]
    assert len(asked) == len(play.forge.pulls) == (3 if play.forge.pulls else 0)
    assert {pull.state for pull in play.forge.pulls} <= {"merged"}
    assert play.cli.git("ls-remote", str(play.remote), "refs/heads/*").split()[1::2] == ["refs/heads/main"]
    assert play.say("verify").data["problems"] == []

    clone = play.cli.place / "state" / "clone"
    git(clone.parent, "clone", "-q", str(play.remote), clone.name)
    git(clone, "fetch", "-q", "origin", "+refs/wfe/*:refs/remotes/origin/wfe/*")
    proven = play.say("--project", str(clone), "verify", "--branch", "main").data
    assert (proven["problems"], len(proven["proven"])) == ([], 3)

    is_merge = len(git(clone, "rev-list", "--parents", "-n1", "HEAD").split()) > 2
    git(clone, "revert", "--no-edit", *(("-m", "1") if is_merge else ()), "HEAD")
    git(clone, "push", "-q", "origin", "HEAD:main")
    git(play.cli.root, "fetch", "-q", "origin")
    gone = [
        item for item in map(play.item, ("W-1", "W-9", "W-10", "W-11")) if "any more" in item.get("gone_from_base", "")
    ]
    assert [item["id"] for item in gone] == ["W-9", "W-10", "W-11"], "the milestone and what is under it say so"


@pytest.mark.parametrize("play", [("pull_request", "gitlab", "login")], indirect=True)
def test_a_milestone_waits_for_the_checks_of_its_merge_request_without_a_person(play: Play) -> None:
    plan = play.cli.place / "state" / "plan.md"
    plan.write_text("## M1 - Name it\nTasks:\n- Name it by the day\n  Acceptance: The name has the day\n")
    play.say("work", "import", str(plan), "--ready")
    play.start("W-1")
    play.work()
    play.forge.word = "ci_still_running"
    play.milestone("W-1", ["W-2"])
    for _ in range(8):
        assert play.work()["waiting_on"] == "job"
        play.cli.clock.forward(seconds=31)
    play.forge.word = ""
    assert play.work()["run_state"] == "completed"
