"""The requirements of the design's threats T1 to T14."""

import json
import os
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from tests.security.machine import Machine
from wfe_mcp.core.model import By, Channel
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates import trust
from wfe_mcp.store.driver import driver
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.reports import envelopes as answering
from wfe_mcp.workspace.system.location import project_at

STOP = [{"do": "wait_human"}]


# -- T1: the agent approves its own gate -----------------------------------------------------------------------------


@pytest.mark.attack("approve over MCP on a gate for a person", "held", "T1")
def test_approve_by_the_agent_only_asks_and_is_logged(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    no = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert no.error is not None
    assert no.error.code == "needs_human"
    assert "ApprovalAsked" in scene.events(run)
    assert "ApprovalGiven" not in scene.events(run)


@pytest.mark.attack("the artifact is exchanged after the yes was asked for", "held", "T1")
def test_an_approval_covers_the_bytes_that_were_shown(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    asked = approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.withdraw(scene.engine, AGENT, run, "plan", "better")
    scene.submit(run, "plan", {"title": "Something else"})
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan", sha256=asked.request.sha256)
    assert no.code == "stale_revision"
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan", request=asked.request.id)
    assert no.code == "stale_revision"


@pytest.mark.attack("other work is submitted after the approval, to pass under it", "held", "T1")
def test_an_approval_of_one_revision_does_not_cover_the_next(scene: Scene) -> None:
    scene.check("ok", "import app; assert app.VALUE == 2")
    run = scene.start(phase("plan", approval(), command("ok")), phase("build"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.work()
    assert scene.attempt(run, "plan", 1).status == "superseded", "the check after the yes said no"
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "plan", {"title": "Something else"})
    assert (scene.attempt(run, "plan").number, scene.attempt(run, "plan").status) == (2, "awaiting")
    assert scene.attempt(run, "build").status == "pending"


@pytest.mark.attack("an answer that was given once is given again", "held", "T1")
def test_a_decision_counts_once(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build", approval()))
    scene.do(run, "plan")
    asked = approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan", request=asked.request.id)
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan", request=asked.request.id).code in {
        "illegal_transition",
        "stale_revision",
    }
    scene.do(run, "build")
    assert (
        refused(approvals.decide, scene.engine, HUMAN, run, "build", request=asked.request.id).code == "stale_revision"
    )


@pytest.mark.attack("a client that calls itself by the person's name", "held", "T1")
def test_a_name_of_a_client_is_no_person(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    for name in ("ada", "human", "cli", "demo"):
        no = decisions.ask_approval(scene.engine, By(name), run, "plan")
        assert no.error is not None
        assert no.error.code == "needs_human"
    assert refused(trust.give_trust, scene.engine, By("ada", Channel.CLI), []).code == "needs_human"


@pytest.mark.attack("cancel the run that was refused and start it again", "detected", "T1")
def test_a_cancelled_run_is_named_at_the_next_approval(scene: Scene) -> None:
    from wfe_mcp.views.approvals import open_approval

    strict = scene.start(phase("plan", approval()), name="strict")
    scene.do(strict, "plan")
    approvals.reject(scene.engine, HUMAN, strict, "plan", "No.")
    control.control(scene.engine, AGENT, strict, "cancel", reason="starting afresh")
    scene.clock.advance(minutes=1)
    run = scene.start(phase("plan", approval()), name="looser")
    scene.do(run, "plan")
    shown = open_approval(scene.engine, answering.overview_of(scene.engine, run), "plan")
    assert shown is not None
    assert shown.template == "looser@1.0.0"
    assert f"Cancelled before this run: {strict} (A drill)" in [one.text for one in shown.unusual]


@pytest.mark.attack("the PIN is exchanged in the database", "detected", "T1; T11")
def test_a_pin_that_no_one_set_through_us_is_found(scene: Scene) -> None:
    set_pin(scene.engine, "correct horse", HUMAN)
    with closing(driver().connect(str(scene.root.parent / "wfe.db"))) as raw, raw:
        raw.execute("UPDATE secret SET value = '{}' WHERE name = 'pin'")
    raw.close()
    with scene.store.read() as tx:
        assert [one.where for one in tx.settings_log.problems()] != []


@pytest.mark.attack("the lock-out is reset in the database, to continue guessing", "detected", "T1; T11")
def test_a_count_of_wrong_pins_that_was_put_back_is_found(scene: Scene) -> None:
    from wfe_mcp.engine.approvals.pin import person

    set_pin(scene.engine, "correct horse", HUMAN)
    for _ in range(5):
        assert refused(person, scene.engine, "wrong", "ada").code == "wrong_pin"
    with closing(driver().connect(str(scene.root.parent / "wfe.db"))) as raw, raw:
        raw.execute("UPDATE secret SET value = '{}' WHERE name = 'pin_wrong'")
    raw.close()
    with scene.store.read() as tx:
        assert [one.where for one in tx.settings_log.problems()] != []


# -- T3: secrets at rest ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.attack("another user of the machine reads the database or the key file", "held", "T3")
def test_what_we_keep_is_readable_by_its_owner_alone(machine: Machine, home: Path) -> None:
    environment = {name: value for name, value in machine.env.items() if name != "WFE_DATABASE_URL"}
    engine = create_engine(project_at(machine.project), environment=environment)
    try:
        assert engine.project_id
        files = [file for file in home.rglob("*") if file.is_file()]
        assert files, "the home fixture is where the database goes"
        assert [
            oct(stat.S_IMODE(file.stat().st_mode)) for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077
        ] == []
    finally:
        engine.close()


@pytest.mark.attack("keys of the environment reach a check", "held", "T3; T4")
def test_a_check_sees_no_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-00000000")
    monkeypatch.setenv("CLAUDE_CODE_MESSAGING_TOKEN", "canary-11111111")
    scene.check("env", "import os; print(dict(os.environ)); raise SystemExit(1)")
    run = scene.start(phase("plan", command("env"), on_fail=STOP))
    answer = scene.do(run, "plan")
    kept = b"".join(file.read_bytes() for file in scene.root.parent.rglob("*") if file.is_file())
    assert "canary" not in json.dumps(answer.to_dict())
    assert b"canary" not in kept


# -- T4: programs ----------------------------------------------------------------------------------------------------


@pytest.mark.attack("a repository brings a check that runs a program", "held", "T4")
def test_a_check_of_the_repository_needs_trust_and_one_byte_ends_it(scene: Scene) -> None:
    scene.check("test", "open('pwned', 'w')", trusted=False)
    run = scene.start(phase("plan", command("test")))
    answer = scene.do(run, "plan")
    assert (answer.state, (scene.root / "pwned").exists()) == ("awaiting", False)
    scene.check("other", "pass", trusted=True)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + "#")
    assert scene.engine.settings().settings.checks == {}


@pytest.mark.attack("an agent hands a command over where a name of a check is wanted", "held", "T4")
def test_a_name_of_a_check_is_never_a_command(scene: Scene) -> None:
    for name in ("; rm -rf .", "$(touch pwned)", "../evil", "sh -c 'touch pwned'"):
        made = {**scene.define(phase("plan"), trusted=False), "phases": [phase("plan", command(name))]}
        assert refused(answers.save_template, scene.engine, AGENT, made).code == "invalid_template"
    assert not (scene.root / "pwned").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="hooks are shell scripts here")
@pytest.mark.attack("hooks and drivers of the repository run when we ask git", "held", "T4")
def test_git_runs_nothing_of_the_repository(scene: Scene) -> None:
    evil = scene.root.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {scene.root.parent}/pwned\n")
    evil.chmod(0o755)
    hooks = scene.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("reference-transaction", "post-index-change", "pre-commit", "post-checkout"):
        (hooks / hook).write_text(evil.read_text())
        (hooks / hook).chmod(0o755)
    scene.git("config", "core.fsmonitor", str(evil))
    scene.git("config", "diff.external", str(evil))
    (scene.root.parent / "pwned").unlink(missing_ok=True)
    scene.write("new.txt", "x")
    run = scene.start(phase("plan", {"kind": "git", "branch": "main"}, {"kind": "files", "exist": ["app.py"]}))
    scene.do(run, "plan")
    assert not (scene.root.parent / "pwned").exists()


# -- T5: paths -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.attack("a link in the project leads the reader out", "held", "T5")
@pytest.mark.parametrize("how", ["file", "folder", "hard", "fifo", "dots", "absolute"])
def test_an_artifact_is_read_from_inside_the_project(scene: Scene, how: str) -> None:
    secret = scene.root.parent / "secret.json"
    secret.write_text('{"title": "canary of the outside"}')
    path = "a.json"
    if how == "file":
        (scene.root / path).symlink_to(secret)
    elif how == "folder":
        (scene.root / "out").symlink_to(secret.parent)
        path = "out/secret.json"
    elif how == "hard":
        os.link(secret, scene.root / path)
    elif how == "fifo":
        os.mkfifo(scene.root / path)
    else:
        path = "../secret.json" if how == "dots" else str(secret)
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", path=path)
    assert no.code in {"path_outside_project", "bad_argument"}
    assert "canary" not in str(no)


@pytest.mark.parametrize("place", [".git/config", ".wfe/config.toml", ".GIT/hooks", "docs/.wfe/x.md"])
@pytest.mark.parametrize("kind", ["markdown_doc@1", "file_bundle@1"])
@pytest.mark.attack("an input of a run makes its artifact a file of git", "held", "T5")
def test_no_input_leads_an_output_into_the_folders_of_git_and_wfe(scene: Scene, place: str, kind: str) -> None:
    artifact: dict[str, object] = (
        {"front": {}, "body": "x"} if kind == "markdown_doc@1" else {"files": [{"path": "a", "content": "x"}]}
    )
    output = {"artifact": "plan", "schema": kind, "write_to": "${inputs.goal}"}
    run = scene.start({"id": "plan", "prompt": "x", "output": output}, inputs={"goal": place})
    scene.begin(run, "plan")
    config = (scene.root / ".git" / "config").read_bytes()
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=artifact)
    assert (no.code, scene.attempt(run, "plan").revision) == ("path_outside_project", 0)
    assert (scene.root / ".git" / "config").read_bytes() == config


@pytest.mark.attack("an artifact is written over a file that is not its own", "held", "T5")
def test_a_bundle_does_not_lie_where_others_live(scene: Scene) -> None:
    output = {"artifact": "code", "schema": "file_bundle@1", "write_to": "."}
    run = scene.start({"id": "plan", "prompt": "x", "output": output}, limits={"max_invalid": 50})
    scene.begin(run, "plan")
    for path in (
        ".git/hooks/pre-commit",
        ".wfe/config.toml",
        "../out",
        "/etc/x",
        ".GIT/config",
        "a/../../b",
        "C:/x",
        ".git::$DATA/x",
    ):
        bundle = {"files": [{"path": path, "content": "x"}]}
        no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=bundle)
        assert no.code in {"invalid_artifact", "path_outside_project"}, path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
@pytest.mark.attack("a named pipe in place of a template or configuration stops the server", "held", "T5")
def test_a_named_pipe_is_no_template_and_no_one_waits_for_it(scene: Scene) -> None:
    folder = scene.root / ".wfe" / "templates"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.json")
    os.mkfifo(scene.root / ".wfe" / "config.toml")
    os.mkfifo(scene.root / "package.json")
    assert reading.list_templates(scene.engine, AGENT).ok
    assert refused(answers.start_run, scene.engine, AGENT, "pipe").code == "unknown_template"
    from wfe_mcp.workspace.discovery.found_checks import find_checks

    assert find_checks(scene.root) is not None
    assert scene.engine.settings().problems != []
