"""A bridge lets an agent work in a clone of its own, with the runs, the checks and the record of a server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from hashlib import sha1
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.team_chaos.network import Proxy
from tests.loopback import TLS
from tests.server.bridge.conftest import FAILING, GREEN, RED, TEST, Client, Cut, Machine, Team, git, reproduced, started
from tests.server.conftest import HUMAN, House
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.access.tokens import revoke_token
from wfe_mcp.engine.approvals import decide as approvals


@pytest.mark.usefixtures("real_processes")
def test_a_bug_is_fixed_over_a_bridge_by_editing_only_the_developers_clone(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    assert client.call("status")["summary"] == "No run is open in this project", "the folder at the server is not hers"
    run = started(client)
    reproduced(ada, client, run)
    client.does("start_phase", run=run, phase="fix")
    untouched = client.call("submit_artifact", run=run, phase="fix", artifact={"summary": "It adds."})
    assert untouched["error"]["code"] == "gate_failed"
    client.does("start_phase", run=run, phase="fix")
    ada.write("app.py", GREEN)
    found = client.does("submit_artifact", run=run, phase="fix", artifact={"summary": "It adds now."})
    assert found["waiting_on"] == "human"
    approvals.decide(team.house.engine(), HUMAN, run, "fix", comment="fine")
    found = client.call("status", run=run)
    assert found["run_state"] in {"running", "completed"}, found
    assert (team.house.root / "app.py").read_text() == RED, "the server's own checkout is no work folder"
    assert (team.there() / "app.py").read_text() == GREEN


def test_a_rollback_with_files_arrives_in_the_developers_clone(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    ada.write("tests/data/old.txt", "old\n")
    client.does("start_phase", run=run, phase="reproduce")
    ada.write("tests/data/old.txt", "new\n")
    ada.write("build/out.txt", "ignored\n")
    reproduced(ada, client, run)
    client.does("rollback", run=run, to="reproduce")
    assert ada.read("tests/data/old.txt") == "old\n"
    assert not (ada.root / "tests/test_add.py").exists()
    assert ada.read("app.py") == RED
    assert ada.read("build/out.txt") == "ignored\n"
    assert client.does("start_phase", run=run, phase="reproduce")["state"] == "running"


def test_a_work_folder_that_was_deleted_at_the_server_is_made_again_and_the_developer_keeps_everything(
    team: Team,
) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    ada.write("tests/data/notes.txt", "mine\n")
    reproduced(ada, client, run)
    shutil.rmtree(team.there())
    assert client.does("start_phase", run=run, phase="fix")["state"] == "running"
    assert (ada.read("tests/data/notes.txt"), "test_two" in ada.read("tests/test_add.py")) == ("mine\n", True)
    assert (team.there() / "tests/data/notes.txt").read_text() == "mine\n"


def test_an_artifact_in_a_file_that_git_ignores_is_submitted_by_its_path(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    client.does("start_phase", run=run, phase="reproduce")
    ada.write("tests/test_add.py", TEST.format("two", 2))
    ada.write(".wfe/runs/failing.json", json.dumps(FAILING))
    ada.write("build/log.txt", "seen\n")
    sent = {"path": ".wfe/runs/failing.json", "attach": ["build/log.txt"]}
    client.does("submit_artifact", run=run, phase="reproduce", **sent)
    found = client.does("read_artifact", run=run, phase="reproduce")
    assert FAILING["test"] in json.dumps(found["data"])
    refused = client.call("submit_artifact", run=run, phase="fix", path="../out.json")
    assert refused["error"]["code"] == "path_outside_project"
    no_list = client.call("submit_artifact", run=run, phase="fix", artifact={}, attach=5)
    assert no_list["error"]["code"] == "bad_argument"


def test_a_file_that_git_ignores_is_attached_to_a_work_item(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    ada.write("build/shot.txt", "seen\n")

    added = client.does("work", action="add", kind="bug", item={"title": "It fails", "attach": ["build/shot.txt"]})

    assert "shot.txt" in json.dumps(added["data"])
    ada.write("build/later.txt", "seen\n")
    as_text = client.does(
        "work", action="add", kind="bug", item=json.dumps({"title": "So", "attach": ["build/later.txt"]})
    )
    assert "later.txt" in json.dumps(as_text["data"])


def test_git_gates_see_the_developers_branch_and_commits(team: Team) -> None:
    ada, root = team.machine(), team.house.root
    ada.git("checkout", "-q", "-b", "feature/add")
    ada.write("app.py", GREEN)
    ada.git("commit", "-q", "-a", "-m", "It adds")
    ada.write("staged.txt", "staged\n")
    ada.git("add", "staged.txt")
    client = ada.connect()
    started(client)
    there = team.there()
    assert git(there, "rev-parse", "HEAD") == ada.git("rev-parse", "HEAD")
    looked = ("status", "--porcelain", "--", ".", ":!.wfe")
    assert git(there, *looked) == ada.git(*looked) == "A  staged.txt"
    from wfe_mcp.workspace.git.repository import branch

    assert branch(there) == "feature/add"
    assert git(root, "branch", "--format=%(refname:short)").split() == ["main"], (
        "no branch of the server's is made or moved"
    )


def test_two_developers_work_in_one_project_at_once(team: Team) -> None:
    machines = [team.machine("ada"), team.machine("bob")]
    runs: dict[int, str] = {}

    def work(number: int) -> None:
        machine = machines[number]
        client = machine.connect()
        run = started(client)
        reproduced(machine, client, run)
        client.does("start_phase", run=run, phase="fix")
        machine.write("app.py", GREEN.replace("a + b", f"a + b + 0 * {number}"))
        client.does("submit_artifact", run=run, phase="fix", artifact={"summary": f"It adds, {number}."})
        runs[number] = run

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(180)
    assert len(set(runs.values())) == 2
    assert "* 0" in (team.there("ada") / "app.py").read_text()
    assert "* 1" in (team.there("bob") / "app.py").read_text()
    refused = machines[1].clients[0].call("start_phase", run=runs[0], phase="fix")
    assert refused["error"]["code"] == "other_folder", "the gates of a run read the folder of its developer"


def test_a_folder_that_another_run_of_the_developer_works_in_leads_to_a_second_clone(team: Team) -> None:
    client = team.machine().connect()
    first, second = started(client), started(client)
    client.does("start_phase", run=first, phase="reproduce")
    refused = client.call("start_phase", run=second, phase="reproduce")["error"]
    assert refused["code"] == "leased"
    assert "another clone" in refused["hint"]
    assert "worktree" not in refused["hint"], "the worktrees of a clone share its login, and so the folder"


def test_what_changed_on_both_sides_is_refused_once_and_kept(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    client.does("start_phase", run=run, phase="reproduce")
    (team.there() / "app.py").write_text("# by the server\n")
    (team.there() / "more.txt").write_text("more\n")
    ada.write("app.py", "# by ada\n")
    refused = client.call("submit_artifact", run=run, phase="reproduce", artifact=FAILING)
    assert refused["error"]["code"] == "conflict"
    assert refused["data"]["paths"] == ["app.py"]
    assert ada.read("app.py") == "# by ada\n"
    assert not (ada.root / "more.txt").exists()
    commit = refused["error"]["hint"].partition("git show ")[2].partition(":")[0]
    assert ada.git("show", f"{commit}:app.py") == "# by the server"
    client.call("submit_artifact", run=run, phase="reproduce", artifact=FAILING)
    assert (team.there() / "app.py").read_text() == "# by ada\n"


def test_what_a_server_did_between_two_calls_is_brought_first(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    (team.there() / "made.txt").write_text("by a phase that the server works\n")
    ada.write("app.py", GREEN)
    client.does("start_phase", run=run, phase="reproduce")
    assert ada.read("made.txt") == "by a phase that the server works\n"
    assert ada.read("app.py") == GREEN
    assert (team.there() / "app.py").read_text() == GREEN


@pytest.mark.parametrize("killed", ["bridge", "server"])
def test_after_kill_9_in_the_middle_of_a_call_the_next_one_works(team: Team, killed: str) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    client.does("start_phase", run=run, phase="reproduce")
    ada.write("tests/test_add.py", TEST.format("two", 2))
    client.begin(
        "tools/call", name="submit_artifact", arguments={"run": run, "phase": "reproduce", "artifact": FAILING}
    )
    port = team.running.port
    if killed == "bridge":
        client.process.kill()
        client = ada.connect()
    else:
        team.running.end(signal.SIGKILL)
        code = client.next_answer()["result"]["structuredContent"]["error"]["code"]
        assert code == "unavailable"
        refused = client.call("submit_artifact", run=run, phase="reproduce", artifact=FAILING)
        assert refused["error"]["code"] == "unavailable"
        assert "Nothing was sent" in refused["error"]["message"]
        team.running.start(port)
    client.does("submit_artifact", run=run, phase="reproduce", artifact=FAILING)
    with team.house.engine().store.read() as tx:
        loaded = team.house.engine().load(tx, run)
    assert [each.revision for each in loaded.state.attempts[PhasePath("reproduce")]] == [1]


def test_an_answer_that_was_lost_is_said_to_be_and_the_call_may_be_repeated(team: Team) -> None:
    ada = team.machine()
    with Cut(team.running.port) as cut:
        client = ada.connect(f"http://localhost:{cut.port}")
        key = {"template": "quick_fix", "title": "add", "inputs": {"problem": "x"}, "idempotency_key": "once"}
        cut.answers_of = b"POST /mcp"
        lost = client.call("start_run", **key)
        assert lost["error"]["code"] == "unavailable"
        assert "may have been made" in lost["error"]["message"]
        assert "status" in lost["error"]["hint"]
        cut.answers_of = b""
        run = client.does("start_run", **key)["run"]
    with team.house.engine().store.read() as tx:
        assert [each.id for each in tx.runs.page(limit=9).runs] == [run]


@pytest.mark.attack("a bridge works on with a token that was revoked", "held", "#31")
def test_an_ended_token_is_refused_and_a_new_one_works_in_the_same_process(team: Team) -> None:
    ada = team.machine(token="")
    client = ada.connect()
    assert client.call("status")["error"]["code"] == "unauthorized"
    first = team.running.token("ada")
    logged_in(ada, first)
    run = started(client)
    engine = team.house.engine()
    revoke_token(engine, HUMAN, "ada")
    for tool, more in {"status": {}, "start_phase": {"run": run, "phase": "reproduce"}}.items():
        refused = client.call(tool, **more)
        assert refused["error"]["code"] == "unauthorized"
        assert "wfe-mcp login" in refused["error"]["hint"]
    logged_in(ada, team.running.token("ada"))
    client.does("start_phase", run=run, phase="reproduce")


def logged_in(machine: Machine, token: str) -> None:
    """Keep a login, as ``wfe-mcp login`` does, by the machine's own program."""
    code = (
        "import sys, pathlib; from wfe_mcp.workspace.system import logins, location\n"
        "logins.keep_login(logins.Login(sys.argv[1], 'ada', sys.argv[2]), location.project_at(pathlib.Path.cwd()))"
    )
    argv = [sys.executable, "-c", code, machine.url, token]
    subprocess.run(argv, cwd=machine.root, env=machine.environment, check=True, timeout=60)


@pytest.mark.attack(
    "a clone's hooks, filters, LFS, insteadOf or proxy run, or get the token, when a bridge sends its files",
    "held",
    "#31",
)
def test_a_hostile_tree_executes_nothing_on_either_side(team: Team, tmp_path: Path) -> None:
    ada, touched = team.machine(), tmp_path / "touched"
    run = f"touch {touched}"
    ada.write(".gitattributes", "* filter=evil diff=evil merge=evil text eol=crlf ident\n")
    for name in ("pre-push", "reference-transaction", "post-checkout", "pre-commit"):
        hook = ada.root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{run}\n")
        hook.chmod(0o755)
    for key in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "credential.helper", "core.sshCommand"):
        ada.git("config", key, f"!{run}" if key == "credential.helper" else run)
    ada.git("config", "url.http://127.0.0.1:9/.insteadOf", f"{team.running.url}/")
    ada.git("config", "http.proxy", "http://127.0.0.1:9")
    ada.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9\n")
    ada.write(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = ext::{run}\n')
    (ada.root / "out").symlink_to("/etc")
    client = ada.connect()
    found = client.call("start_run", template="quick_fix", title="add", inputs={"problem": "x"})
    assert found["ok"], found
    there = team.there()
    assert (there / "app.py").read_bytes() == RED.encode(), "no conversion"
    assert os.readlink(there / "out") == "/etc"
    assert not touched.exists()


@pytest.mark.attack(
    "a token pushes to, or works from, another developer's ref, a branch or another project", "held", "#31"
)
def test_a_token_reaches_neither_another_project_nor_refs_that_are_not_its_own(
    team: Team, tmp_path: Path, other_project: House
) -> None:
    ada, bob = team.machine("ada"), team.machine("bob")
    started(ada.connect())
    started(bob.connect())
    project = team.house.engine().project_id

    def push(ref: str, token: str, to: str = project, what: str = "HEAD") -> int:
        header = f"http.extraHeader=Authorization: Bearer {token}"
        words = ["git", "-c", header, "push", "-q", "--no-verify", f"{team.running.url}/git/{to}", f"{what}:{ref}"]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(words, cwd=ada.root, env=env, capture_output=True, timeout=60, check=False).returncode

    assert push("refs/wfe/bridge/ada/in/x", ada.token) == 0
    for ref in ("refs/heads/main", "refs/wfe/bridge/bob/in/x", "refs/wfe/bridge/ada/seen", "refs/wfe/checkpoints/x"):
        assert push(ref, ada.token) != 0, ref
    assert push("refs/wfe/bridge/ada/in/x", ada.token, other_project.engine().project_id) != 0
    assert push("refs/wfe/bridge/ada/in/x", "wfe_stolen-and-revoked") != 0
    secret = git(team.house.root, "rev-parse", "refs/wfe/bridge/bob/seen")
    named = {"Authorization": f"Bearer {ada.token}", "Wfe-Bridge": "1", "Wfe-Tree": secret}
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "status", "arguments": {}},
    }
    refused = team.running.post(call, **named)
    assert refused.status_code == 400
    assert "was not pushed with this token" in refused.text
    nothing = b"PACK\0\0\0\2\0\0\0\0"
    pushed = pushed_raw(team, ada, secret, nothing + sha1(nothing, usedforsecurity=False).digest())
    assert b"unpack ok" in pushed, "git points a ref to any object that the server has"
    refused = team.running.post(call, **named)
    assert refused.status_code == 400
    assert "is another token's" in refused.text


@pytest.mark.attack("a corrupt pack is pushed to the server", "held", "#31")
def test_a_corrupt_pack_is_refused_and_changes_nothing(team: Team) -> None:
    ada = team.machine()
    started(ada.connect())
    before = git(team.house.root, "for-each-ref")
    assert b"unpack ok" not in pushed_raw(team, ada, "1" * 40, b"PACK\0\0\0\2\0\0\0\1garbage")
    assert git(team.house.root, "for-each-ref") == before


def pushed_raw(team: Team, machine: Machine, commit: str, pack: bytes) -> bytes:
    """What the server answers to ``pack``, with a ref of the machine's token for ``commit``."""
    line = f"{'0' * 40} {commit} refs/wfe/bridge/ada/in/{commit}\0 report-status"
    headers = {"Authorization": f"Bearer {machine.token}", "Content-Type": "application/x-git-receive-pack-request"}
    url = f"{team.running.url}/git/{team.house.engine().project_id}/git-receive-pack"
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
        return http.post(url, headers=headers, content=f"{len(line) + 4:04x}{line}0000".encode() + pack).content


def test_the_client_may_cancel_a_call_and_make_another(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    number = client.begin("tools/call", name="status", arguments={"run": run, "wait_s": 50})
    client.write({"method": "notifications/cancelled", "params": {"requestId": number}})
    assert client.does("status", run=run)["run"] == run


@pytest.mark.usefixtures("real_processes")
def test_lists_and_pings_are_answered_without_a_server(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    (folder / "clone").mkdir(parents=True)
    machine = Machine(folder, "http://localhost:9", "wfe_x")
    client: Client = machine.connect()
    try:
        tools: list[dict[str, Any]] = client.ask("tools/list")["tools"]
        assert len(tools) == 16
        assert client.ask("ping") == {}
        assert client.ask("tools/list")["tools"] == tools
        assert client.call("status")["error"]["code"] == "unavailable"
    finally:
        client.end()


def test_a_bridge_trusts_the_authority_that_its_environment_names(team: Team, tmp_path: Path) -> None:
    port = team.running.port
    proxy = Proxy(tmp_path, lambda: [port], "127.0.0.1")
    team.running.end()
    team.running.more = ("--origin", f"https://127.0.0.1:{proxy.port}")
    team.running.start(port)
    ada = team.machine()
    ada.variables["SSL_CERT_FILE"] = str(proxy.certificate)
    client = ada.connect()
    run = started(client)
    reproduced(ada, client, run)
    assert (team.there() / "tests/test_add.py").exists()
    proxy.close()
