"""Further work trees at the terminal: made ready to work in, started in, removed with nothing lost."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.workspace.system.anchors import commits_of

MAKES = [sys.executable, "-c", "import os, pathlib; pathlib.Path('made').write_text(os.environ.get('PORT', ''))"]
NEEDS = "import pathlib, sys; sys.exit(not pathlib.Path('.env').read_text().startswith('KEY=2'))"


@pytest.fixture(autouse=True)
def _committed(in_git: None, cli: Terminal) -> None:  # pyright: ignore[reportUnusedFunction] - for every test
    (cli.root / ".gitignore").write_text(".env\nmade\ncache/\n")
    (cli.root / ".worktreeinclude").write_text(".env\ncache/\nnotes.txt\n")
    commit(cli)


def commit(cli: Terminal) -> None:
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "begin")


def configured(cli: Terminal, text: str) -> None:
    file = cli.root / ".wfe" / "config.toml"
    file.write_text(f"{text}\n{file.read_text() if file.exists() else ''}")
    assert cli("trust", "--yes", pin=PIN).code == 0


def made(cli: Terminal, name: str, *words: str) -> dict[str, Any]:
    answer = cli.json("worktree", "add", name, *words)
    assert answer.code == 0, answer.out
    return answer.data


@pytest.mark.skipif(os.name == "nt", reason="no name of a folder of Windows has such letters")
def test_the_proposed_step_into_a_new_one_works_when_it_is_pasted_whatever_the_path(cli: Terminal) -> None:
    folder = cli.root.parent / 'a "b" $c\'d'
    subprocess.run(["git", "clone", "-q", str(cli.root), str(folder)], check=True)
    tree = cli.json("--project", str(folder), "worktree", "add", "w").data["folder"]
    step = cli("--project", str(folder), "worktree", "add", "w").err.strip().removeprefix("Next: ")
    there = subprocess.run(["sh", "-c", f"{step}\npwd"], check=True, capture_output=True, text=True).stdout
    assert there == f"{tree}\n"


def test_a_repository_without_a_commit_gets_its_first_one_before_a_work_tree(cli: Terminal) -> None:
    empty = cli.root.parent / "empty"
    subprocess.run(["git", "init", "-q", str(empty)], check=True)
    refused = cli("--project", str(empty), "worktree", "add", "w")
    assert (refused.code, "Next: make one: git commit" in refused.err) == (1, True)


def test_a_new_one_has_what_git_ignores_and_the_work_needs_and_nothing_else(cli: Terminal) -> None:
    (cli.root / ".env").write_text("KEY=1")
    (cli.root / "cache" / "deep").mkdir(parents=True)
    (cli.root / "cache" / "deep" / "one").write_text("1")
    (cli.root / "cache" / "link").symlink_to("deep/one")
    (cli.root / "notes.txt").write_text("work that git does not ignore")
    (cli.root / "made").write_text("ignored, and not named")

    tree = Path(made(cli, "fix-login")["folder"])

    assert tree == cli.root.with_name(f"{cli.root.name}-worktrees") / "fix-login"
    assert (tree / ".env").read_text() == "KEY=1"
    assert (tree / "cache" / "link").is_symlink()
    assert (tree / "cache" / "link").read_text() == "1"
    assert not (tree / "notes.txt").exists()
    assert not (tree / "made").exists()
    assert cli.git("-C", str(tree), "status", "--porcelain") == "", "git sees no change in it"
    assert [each["branch"] for each in cli.json("worktree", "list").data["worktrees"]][1:] == ["fix-login"]


def test_its_configuration_and_templates_come_along_where_git_ignores_all_of_wfe(cli: Terminal) -> None:
    configured(cli, '[delivery]\nmode = "merge"')
    cli.save(template("ship", phase("build")))
    (cli.root / ".gitignore").write_text(".wfe/\n")
    cli.git("rm", "-rq", "--cached", "--ignore-unmatch", ".wfe")
    commit(cli)
    tree = Path(made(cli, "apart")["folder"])
    kept = [cli.root / ".wfe" / "config.toml", *(cli.root / ".wfe" / "templates").rglob("*.*")]
    for file in kept:
        assert (tree / file.relative_to(cli.root)).read_text() == file.read_text()
    assert len(kept) > 1


def test_a_repository_inside_is_copied_as_a_whole_and_a_name_of_other_bytes_too(cli: Terminal) -> None:
    cli.git("init", "-q", "cache/lib")
    (cli.root / "cache" / "lib" / "one").write_text("1")
    (cli.root / "cache" / "lib" / "link").symlink_to("one")
    odd = os.fsdecode(b"caf\xe9") if sys.platform == "linux" else "café"
    (cli.root / "cache" / odd).write_text("2")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(cli.root / "cache" / "lib" / ".git" / "ipc"))
        cli.git("worktree", "add", "-q", "cache/other")

        tree = Path(made(cli, "fix-login")["folder"])

    assert (tree / "cache" / odd).read_text() == "2"
    assert (tree / "cache" / "lib" / "link").read_text() == "1"
    assert cli.git("-C", str(tree / "cache" / "lib"), "status", "--porcelain").split() == ["??", "link", "??", "one"]
    assert not (tree / "cache" / "other").exists(), "a second folder of one work tree would be none"
    assert list((tree / "cache").glob("*.wfe-copy")) == []


@pytest.mark.attack("a branch of a clone has a link where files are copied into its work tree", "held", "T5; A3")
@pytest.mark.parametrize("kind", ["link", "file"])
def test_nothing_is_copied_through_a_link_of_the_branch(cli: Terminal, kind: str) -> None:
    outside = cli.root.parent / "outside"
    outside.mkdir()
    cli.git("checkout", "-q", "-b", "theirs")
    (cli.root / "cache").symlink_to(outside) if kind == "link" else (cli.root / "cache").write_text("a file")
    cli.git("add", "-f", "cache")
    commit(cli)
    cli.git("checkout", "-q", "-")
    (cli.root / "cache" / "deep").mkdir(parents=True)
    (cli.root / "cache" / "deep" / "one").write_text("1")
    (cli.root / "cache" / "two").write_text("2")
    (cli.root / ".env").write_text("KEY=1")

    tree = Path(made(cli, "theirs")["folder"])

    assert list(outside.iterdir()) == []
    assert (tree / "cache").is_symlink() is (kind == "link"), "what the branch has stays"
    assert (tree / ".env").read_text() == "KEY=1"


def test_each_has_ports_of_its_own_which_its_checks_see(cli: Terminal) -> None:
    configured(
        cli,
        f"""[worktrees]
ports = ["PORT", "DB_PORT"]
setup = "prepare"
[checks.prepare]
argv = {json.dumps(MAKES)}
env = ["PORT"]""",
    )

    first, second = made(cli, "one"), made(cli, "two")

    ports = {*first["ports"].values(), *second["ports"].values()}
    assert len(ports) == 4
    for port in ports:
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))
    assert first["set_up"] == "prepare"
    assert Path(first["folder"], "made").read_text() == str(first["ports"]["PORT"])
    assert made(cli, "one")["ports"] == first["ports"], "they stay"


def test_what_an_agent_writes_in_place_of_a_port_is_replaced_by_one(cli: Terminal) -> None:
    configured(cli, '[worktrees]\nports = ["PORT"]')
    tree = made(cli, "fix")
    Path(tree["folder"], ".wfe", "runs", "ports.env").write_text(f"PORT={'1' * 5_000}\n")

    assert cli.json("worktree", "list").data["worktrees"][1]["ports"] == {}
    assert 1024 <= made(cli, "fix")["ports"]["PORT"] <= 65_535


def test_ports_and_set_up_that_no_one_trusted_are_named_as_waiting(cli: Terminal) -> None:
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[worktrees]\nports = ["PORT"]\n')
    said = cli("worktree", "add", "fix")
    assert "is not ready, on the branch fix" in said.out
    assert "[worktrees] counts once you trust it: wfe-mcp trust, then the same command again" in said.out
    assert cli("trust", "--yes", pin=PIN).code == 0
    again = cli("worktree", "add", "fix")
    assert "is ready" in again.out
    assert "ports: PORT=" in again.out


def test_one_in_which_a_check_cannot_run_says_what_it_lacks(cli: Terminal) -> None:
    program = cli.root / "cache" / "bin" / "tool"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (cli.root / ".worktreeinclude").unlink()
    commit(cli)
    configured(cli, '[checks.tool]\nargv = ["cache/bin/tool"]')

    answer = cli("worktree", "add", "fix")

    assert answer.code == 0
    assert "is not ready, on the branch fix." in answer.out
    assert "Its checks need cache, which only the project's folder has: name it in .worktreeinclude" in answer.out
    (cli.root / ".worktreeinclude").write_text("cache/\n")
    assert made(cli, "fix")["lacks"] == []
    assert "is ready" in cli("worktree", "add", "fix").out


def test_they_are_made_in_the_configured_folder(cli: Terminal) -> None:
    configured(cli, '[worktrees]\nfolder = "../elsewhere"')
    assert Path(made(cli, "fix")["folder"]) == cli.root.parent / "elsewhere" / "fix"


def test_a_set_up_that_fails_is_said_and_the_same_command_completes_it(cli: Terminal) -> None:
    ready = json.dumps([sys.executable, "-c", NEEDS])
    configured(cli, f'[worktrees]\nsetup = "ready"\n[checks.ready]\nargv = {ready}')
    (cli.root / ".env").write_text("KEY=1")

    refused = cli.json("worktree", "add", "fix")
    assert (refused.code, refused.refusal) == (1, "unavailable")
    assert "its set-up failed" in refused.document["summary"]
    assert "submit" not in refused.out, "nothing is submitted here"

    tree = cli.root.with_name(f"{cli.root.name}-worktrees") / "fix"
    (tree / ".env").write_text("KEY=2")
    assert made(cli, "fix")["set_up"] == "ready"
    assert (tree / ".env").read_text() == "KEY=2", "what is there stays"


def test_what_was_cut_off_after_git_made_it_is_completed(cli: Terminal) -> None:
    (cli.root / ".env").write_text("KEY=1")
    tree = cli.root.with_name(f"{cli.root.name}-worktrees") / "fix"
    cli.git("worktree", "add", "-q", "-b", "fix", str(tree))

    assert made(cli, "fix")["copied"] >= 1
    assert (tree / ".env").read_text() == "KEY=1"


def test_work_that_is_nowhere_else_is_not_removed(cli: Terminal) -> None:
    tree = Path(made(cli, "fix")["folder"])
    (tree / ".gitignore").write_text("changed")
    assert "holds what is nowhere else: .gitignore" in cli.json("worktree", "remove", "fix").document["summary"]
    cli.git("-C", str(tree), "checkout", "-q", "--", ".gitignore")
    cli.git("-C", str(tree), "checkout", "-q", "--detach")
    cli.git("-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    assert "holds what is nowhere else: commit" in cli.json("worktree", "remove", "fix").document["summary"]
    assert cli.json("worktree", "remove", "fix", "--force").code == 0
    assert not tree.exists()


def test_a_branch_stays_while_it_has_what_the_current_one_has_not(cli: Terminal) -> None:
    tree = Path(made(cli, "fix")["folder"])
    cli.git("-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    assert cli.json("worktree", "remove", "fix").data["branch_removed"] is False
    assert "fix" in cli.git("branch", "--list", "fix")

    made(cli, "fix")
    cli.git("merge", "-q", "--ff-only", "fix")
    assert cli.json("worktree", "remove", "fix").data["branch_removed"] is True
    assert cli.git("branch", "--list", "fix") == ""


def test_the_main_one_and_one_with_an_open_run_stay(cli: Terminal) -> None:
    tree = made(cli, "fix")["folder"]
    assert cli.json("worktree", "remove", cli.root.name).refusal == "illegal_transition"
    run = cli.json("start", "note", "--project", tree).document["run"]
    assert f"Run {run} is open" in cli.json("worktree", "remove", "fix").document["summary"]
    assert cli.json("worktree", "list").data["worktrees"][1]["runs"] == [run]
    assert cli.json("cancel", run).code == 0
    assert cli.json("worktree", "remove", "fix").code == 0


def test_one_whose_folder_is_gone_is_removed_and_an_unknown_one_is_named(cli: Terminal) -> None:
    configured(cli, '[worktrees]\nports = ["PORT"]')
    tree = Path(made(cli, "fix")["folder"])
    tree.rename(tree.with_name("away"))
    found = cli.json("worktree", "list").data["worktrees"][1]
    assert (found["missing"], found["ports"]) == (True, {})
    assert made(cli, "other")["ports"].keys() == {"PORT"}
    assert cli.json("worktree", "remove", "other").code == 0
    assert cli.json("worktree", "remove", "fxi").document["error"]["hint"] == "Did you mean 'fix'?"
    assert cli.json("worktree", "remove", "docs").document["error"]["hint"] == "List them: wfe-mcp worktree list"
    assert cli.json("worktree", "remove", "fix").code == 0
    assert "Next: wfe-mcp worktree add NAME" in cli("worktree", "list").err


@pytest.mark.parametrize("name", ["", "-x", "a..b", "a b", "x.lock"])
def test_a_name_that_is_none_for_a_branch_is_refused(cli: Terminal, name: str) -> None:
    answer = cli("worktree", "add", "--json", "--", name)
    assert (answer.code, answer.refusal) == (1, "bad_argument")
    assert len(cli.json("worktree", "list").data["worktrees"]) == 1


def test_other_names_and_bases_that_do_not_fit_are_refused(cli: Terminal) -> None:
    assert cli.json("worktree", "add", "fix", "--base", "nope").refusal == "bad_argument"
    assert (
        "is checked out in"
        in cli.json("worktree", "add", cli.git("branch", "--show-current").strip()).document["summary"]
    )
    Path(cli.root.with_name(f"{cli.root.name}-worktrees"), "taken").mkdir(parents=True)
    assert "is there already" in cli.json("worktree", "add", "taken").document["summary"]
    cli.git("branch", "a-b")
    made(cli, "a/b")
    assert "is the work tree of a/b" in cli.json("worktree", "add", "a-b").document["summary"]


def test_the_work_on_an_item_starts_in_a_work_tree_of_its_own(cli: Terminal) -> None:
    assert cli.json("work", "add", "Fix the login", "--body", "What is to be done", "--criterion", "it works").code == 0
    assert cli.json("work", "edit", "1", "--status", "ready").code == 0
    answer = cli.json("work", "start", "1", "--template", "note", "--worktree")

    assert answer.code == 0, answer.out
    tree = cli.root.with_name(f"{cli.root.name}-worktrees") / "w-1-fix-the-login"
    found = {each["folder"]: each["runs"] for each in cli.json("worktree", "list").data["worktrees"]}
    assert found[str(tree)] == [answer.document["run"]]
    assert cli.json("work", "show", "1").data["status"] == "active"
    claimed = cli.json("submit", answer.document["run"], "draft", "--path", "draft.json")
    assert claimed.code == 1, "its files are in the other folder"


def test_an_item_that_cannot_start_gets_no_work_tree(cli: Terminal) -> None:
    assert cli.json("work", "add", "Fix the login", "--body", "What is to be done", "--criterion", "it works").code == 0
    assert cli.json("work", "start", "1", "--template", "note", "--worktree").refusal == "illegal_transition"
    assert (
        cli.json("work", "add", "Then this", "--body", "What is to be done", "--criterion", "c", "--needs", "1").code
        == 0
    )
    assert cli.json("work", "edit", "2", "--status", "ready").code == 0
    assert cli.json("work", "start", "2", "--template", "note", "--worktree").refusal == "not_ready"
    assert len(cli.json("worktree", "list").data["worktrees"]) == 1


def test_where_runs_deliver_the_work_tree_is_on_no_branch_for_they_make_their_own(cli: Terminal) -> None:
    configured(cli, '[delivery]\nmode = "merge"')
    assert cli("work", "add", "Log in twice", "--body", "What is to be done", "--criterion", "it works").code == 0
    assert cli("work", "edit", "1", "--status", "ready").code == 0
    answer = cli("work", "start", "1", "--template", "note", "--worktree")
    assert answer.code == 0, answer.err
    tree = cli.root.with_name(f"{cli.root.name}-worktrees") / "w-1-log-in-twice"
    assert f"In {tree}:" in answer.out
    assert cli.git("-C", str(tree), "branch", "--show-current").strip() == ""
    assert cli.git("branch", "--list", "w-1*").strip() == ""


def test_a_run_that_starts_in_a_new_work_tree_is_anchored_by_the_command_that_started_it(cli: Terminal) -> None:
    cli("work", "add", "Log in twice", "--body", "What is to be done", "--criterion", "it works")
    cli("work", "edit", "1", "--status", "ready")
    answer = cli.json("work", "start", "1", "--template", "note", "--worktree")
    (*_, last) = commits_of(cli.root) or []
    assert [*last.runs] == [answer.document["run"]]


@pytest.mark.attack("a filter of the repository runs while its changes are listed", "held", "T4")
def test_no_filter_of_the_repository_runs_for_a_report_or_a_removal(cli: Terminal) -> None:
    tree = Path(made(cli, "fix")["folder"])
    ran = cli.root.parent / "ran"
    cli.git("config", "filter.evil.clean", f"touch '{ran}'; cat")
    (cli.root / ".git" / "info").mkdir(exist_ok=True)
    (cli.root / ".git" / "info" / "attributes").write_text("*.txt filter=evil\n")
    for folder in (cli.root, tree):
        (folder / "a.txt").write_text("a\n")
        cli.git("-C", str(folder), "-c", "filter.evil.clean=cat", "add", "-A")
        (folder / "a.txt").write_text("b\n")
    assert "not committed" in cli("work", "report", "git").out
    assert "holds what is nowhere else: a.txt" in cli("worktree", "remove", "fix").err
    assert not ran.exists()
    cli.git("status")
    assert ran.exists(), "git alone runs it"


def test_without_git_it_is_said(cli: Terminal, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert cli.json("worktree", "add", "fix", "--project", str(tmp_path / "plain")).refusal == "unavailable"
