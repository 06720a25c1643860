"""``wfe-mcp git cleanup`` at the terminal: what a delivered run left is listed, then removed, and each line says why another stays."""

import json
import subprocess
from contextlib import closing

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at

TEMPLATE = {
    "format": "wfe/1",
    "name": "change",
    "version": "1.0.0",
    "title": "Change it",
    "phases": [
        {
            "id": "build",
            "prompt": "Build it.",
            "output": {"artifact": "built", "schema": {"type": "object"}},
            "gates": [{"kind": "approval", "assurance": "human"}],
        },
        {
            "id": "ship",
            "kind": "steps",
            "steps": [{"id": name, "builtin": f"git.{name}"} for name in ("branch", "commit", "push", "merge")],
        },
    ],
}


@pytest.fixture
def delivered(cli: Terminal) -> str:
    """The branch of a change that a run has merged and pushed to a bare remote; ``main`` is the current one."""
    remote = cli.place / "state" / "remote.git"
    for words in (("init", "-q", "-b", "main"), ("config", "user.name", "Ada"), ("config", "user.email", "a@b.org")):
        cli.git(*words)
    (cli.root / ".wfe" / "config.toml").write_text('[delivery]\nmode = "merge"\n')
    (cli.root / ".wfe" / "templates" / "change.json").write_text(json.dumps(TEMPLATE))
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    cli.git("add", "-A")
    cli.git("commit", "-q", "-m", "begin")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    cli.git("remote", "add", "origin", str(remote))
    cli.git("push", "-q", "origin", "main")
    run = cli.start("change")
    (cli.root / "app.py").write_text("VALUE = 2\n")
    (cli.root / ".wfe" / "built.json").write_text("{}")
    assert cli.json("submit", run, "build", "--path", ".wfe/built.json").code == 0
    assert cli.json("approve", run, "build", pin=PIN).code == 0
    with closing(create_engine(project_at(cli.root), clock=cli.clock)) as engine:
        worker = new_worker(engine)
        while worker.work_one():
            pass
        worker.stop()
    assert cli.json("status", run).document["run_state"] == "completed"
    return cli.git("branch", "--show-current").strip()


@pytest.mark.requirement("S3-27")
def test_what_a_delivered_run_left_is_listed_first_and_removed_with_yes(cli: Terminal, delivered: str) -> None:
    assert f"! {delivered} stays: it is the current branch; leave it: git switch main" in cli("git", "cleanup").out
    cli.git("checkout", "-q", "main")
    listed = cli("git", "cleanup")
    assert listed.out.startswith(f"Would remove 1 branch\n  {delivered}  (branch of run ")
    assert listed.err == "Next: wfe-mcp git cleanup --yes\n"
    assert f"- {delivered}: `wfe-mcp git cleanup` removes it" in cli("work", "report", "git").out
    assert cli.json("git", "cleanup", "--yes", "--remote").refusal == "needs_human"
    assert cli("git", "cleanup", "--yes").out.startswith("Removed 1 branch\n")
    assert cli.git("branch", "--format=%(refname:short)").split() == ["main"]
    assert delivered in cli.git("ls-remote", "origin")
    assert cli.json("git", "cleanup").data == {"dry_run": True, "goes": [], "stays": []}
    assert cli.json("verify").code == 0


@pytest.mark.requirement("S3-27")
def test_with_the_pin_the_branch_on_the_remote_goes_too(cli: Terminal, delivered: str) -> None:
    cli.git("checkout", "-q", "main")
    assert cli("git", "cleanup", "--remote").err == "Next: wfe-mcp git cleanup --yes --remote\n"
    done = cli.json("git", "cleanup", "--yes", "--remote", pin=PIN)
    assert (done.code, [each["name"] for each in done.data["goes"]]) == (0, [delivered])
    assert delivered not in cli.git("ls-remote", "origin")


def test_without_deliveries_there_is_nothing_to_remove(cli: Terminal) -> None:
    assert cli("git", "cleanup").out == "Would remove nothing\n"
