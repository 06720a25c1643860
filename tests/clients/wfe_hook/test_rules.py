"""What a client may do with which tool while a run is open."""

from pathlib import Path
from typing import Any

import pytest

from tests.house.other_system import on
from wfe_mcp.clients.wfe_hook import rules, shell
from wfe_mcp.clients.wfe_hook.open_runs import Work
from wfe_mcp.clients.wfe_hook.rules import Place, refusal


def work(status: str = "running", *allowed: str, checks: list[list[str]] | None = None) -> Work:
    row: dict[str, Any] = {"run": "r1", "title": "A title", "template": "t", "worktree": "/srv/shop"}
    row |= {"phase": "plan", "attempt": 1, "status": status}
    return Work(row, [*allowed], checks or [])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    top = tmp_path / "shop"
    top.mkdir()
    return Place(
        str(top),
        str(top.resolve()),
        [str(tmp_path.resolve() / "data" / "wfe.db"), str(tmp_path.resolve() / "data" / "keys")],
        str(tmp_path.resolve() / "home"),
    )


def reported(place: Place, tool: str, given: dict[str, Any] | str, *works: Work) -> str:
    one = {"command": given} if isinstance(given, str) else given
    return refusal(tool, one, [*works], place)


CHANGES = [
    "echo x > a.txt",
    "echo x >> a.txt",
    "echo x | tee a.txt",
    "sed -i s/a/b/ a.txt",
    "sed --in-place s/a/b/ a.txt",
    "perl -pi -e 1 a.txt",
    "cp /etc/hosts a.txt",
    "mv a b",
    "rm -rf src",
    "touch a",
    "mkdir a",
    "ln -s /tmp a",
    "truncate -s 0 a",
    "dd if=/dev/zero of=a",
    "git apply x.patch",
    "git checkout -- a",
    "git -C . reset --hard",
    "git stash",
    "patch -p1 < x",
    "vim a",
    "unzip a.zip",
    "curl -o a https://example.org",
    "find . -name x -delete",
    "find . -exec rm {} +",
    "find . -exec",
    "sort -o a a",
    "sort a -o",
    "awk '{print > \"a\"}' b",
    "bash -c 'echo x > a'",
    "sh <<E\necho x > a\nE",
    "true && (cd src; echo x > a)",
    "echo x > $SOMEWHERE/a",
    "$(echo x > a)",
    "apply_patch < x",
    "cat > a <<E\nx\nE",
    'cd /tmp; cd -; rm -r "$PWD/a"',
]
HARMLESS = [
    "ls",
    "cat a.txt",
    "grep -rn x . | head -5 2>/dev/null",
    "git status",
    "git log --oneline | cat",
    "git stash list",
    "echo x >&2",
    "find . -name '*.py' -exec grep -l x {} +",
    "sed -n 1,5p a",
    "awk '{print $1}' a",
    "sort a",
    "make > /dev/null 2>&1",
    "curl https://example.org",
    "cd /tmp && echo x > notes.txt",
    "echo x > /tmp/notes.txt",
    "git",
    "git -c core.pager=cat log",
]


@pytest.mark.parametrize("command", CHANGES)
def test_outside_an_open_phase_a_shell_command_that_changes_files_is_refused(place: Place, command: str) -> None:
    answer = reported(place, "Bash", command, work("ready"))
    assert "No phase of run r1 is open" in answer
    assert (
        "[not_ready] Next: call start_phase for phase 'plan'. To work without these limits, the user runs: wfe-mcp pause r1"
        in answer
    )


@pytest.mark.parametrize("command", HARMLESS)
def test_outside_an_open_phase_reading_and_other_places_are_free(place: Place, command: str) -> None:
    assert reported(place, "Bash", command, work("ready")) == ""


@pytest.mark.parametrize("command", [*CHANGES, *HARMLESS, "npm test"])
def test_a_phase_that_names_no_tools_sets_no_limit(place: Place, command: str) -> None:
    assert reported(place, "Bash", command, work()) == ""


@pytest.mark.parametrize("command", CHANGES)
def test_a_phase_that_names_no_tool_that_writes_refuses_a_shell_command_that_does(place: Place, command: str) -> None:
    answer = reported(place, "Bash", command, work("running", "read", "search", "bash"))
    assert answer.startswith("Phase 'plan' of run r1 allows only read, search, bash: the command changes ")


@pytest.mark.parametrize("command", CHANGES)
def test_a_phase_that_names_shell_and_editing_allows_them(place: Place, command: str) -> None:
    assert reported(place, "Bash", command, work("running", "Edit", "Bash")) == ""


@pytest.mark.parametrize(
    ("tool", "given", "wanted"),
    [
        ("Write", {"file_path": "a.txt"}, "a.txt"),
        ("Edit", {"file_path": "src/../a.txt"}, "src/../a.txt"),
        ("NotebookEdit", {"notebook_path": "n.ipynb"}, "n.ipynb"),
        ("write_file", {"file_path": "a.txt"}, "a.txt"),
        ("replace", {"file_path": "a.txt"}, "a.txt"),
        ("apply_patch", {"command": "*** Begin Patch\n*** Update File: a.txt\n"}, "a.txt"),
        ("apply_patch", {"input": "no file is named"}, "the project"),
        ("exec_command", {"cmd": ["bash", "-lc", "echo x > a.txt"]}, "a.txt"),
        ("shell", {"command": ["touch", "a b"]}, "a b"),
        ("run_shell_command", {"command": "touch a"}, "a"),
    ],
)
def test_outside_an_open_phase_the_editing_tools_of_every_client_are_refused(
    place: Place, tool: str, given: dict[str, Any], wanted: str
) -> None:
    assert f"is open, so {wanted} is not changed. [not_ready]" in reported(place, tool, given, work("ready"))


def test_while_gates_check_the_files_nothing_is_changed(place: Place) -> None:
    answer = reported(place, "Write", {"file_path": "a"}, work("gating"))
    assert answer.startswith(
        "The gates of phase 'plan' of run r1 are checking the files, so a is not changed. [not_ready] Next: call status"
    )


@pytest.mark.parametrize(
    ("allowed", "tool", "given", "is_free"),
    [
        (("read",), "Read", {"file_path": "a"}, True),
        (("Read",), "read_file", {"file_path": "a"}, True),
        (("read",), "Edit", {"file_path": "a"}, False),
        (("edit",), "Write", {"file_path": "a"}, False),
        (("write",), "write_file", {"file_path": "a"}, True),
        (("read",), "Write", {"file_path": "/tmp/plan.md"}, True),
        (("read",), "WebFetch", {}, False),
        (("read", "WebFetch"), "WebFetch", {}, True),
        (("read",), "TodoWrite", {}, True),
        (("read",), "mcp__github__get", {}, False),
        (("read", "mcp__github"), "mcp__github__get", {}, True),
        (("read", "mcp__git*"), "mcp__github__get", {}, True),
        (("read",), "mcp__wfe__submit_artifact", {}, True),
        (("read",), "mcp__plugin_wfe_wfe__submit_artifact", {}, True),
        (("read",), "mcp_wfe_submit_artifact", {}, True),
        (("read",), "Bash", {"command": "cat a | grep x"}, True),
        (("read",), "Bash", {"command": "pytest -q"}, False),
        (("read", "bash"), "Bash", {"command": "pytest -q"}, True),
        (("read", "run_check"), "Bash", {"command": "pytest -q"}, True),
        (("read", "run_check"), "Bash", {"command": "pytest -q -x"}, False),
        (("write", "run_check"), "Bash", {"command": "git diff"}, False),
        (("git",), "Bash", {"command": "git diff && git branch -a"}, True),
        (("git",), "Bash", {"command": "git diff --output=a"}, False),
        (("git",), "Bash", {"command": "git branch -D x"}, False),
        (("git",), "Bash", {"command": "git commit -m x"}, False),
        (("git_commit",), "Bash", {"command": "git add . && git commit -m x"}, True),
        (("Bash(npm test:*)",), "Bash", {"command": "npm test -- a"}, True),
        (("Bash(npm test:*)",), "Bash", {"command": "npm testing"}, False),
        (("edit",), "Bash", {"command": "touch a"}, True),
        (("read",), "Bash", {"command": "wfe-mcp status"}, True),
        (("read",), "Bash", {"command": "> /dev/null"}, True),
        (("read",), "Bash", {}, True),
    ],
)
def test_a_phase_is_held_to_the_tools_that_it_names(
    place: Place, allowed: tuple[str, ...], tool: str, given: dict[str, Any], is_free: bool
) -> None:
    answer = reported(place, tool, given, work("running", *allowed, checks=[["pytest", "-q"]]))
    assert (answer == "") is is_free, answer


def test_of_two_running_phases_each_brings_its_tools(place: Place) -> None:
    both = (work("running", "read"), work("running", "write"))
    assert reported(place, "Write", {"file_path": "a"}, *both) == ""
    assert reported(place, "Edit", {"file_path": "a"}, *both) != ""
    assert reported(place, "Edit", {"file_path": "a"}, work("running", "read"), work("running")) == ""


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("wfe-mcp approve r1 plan", "wfe-mcp approve"),
        ("echo 123456 | wfe-mcp --project . approve r1 plan --pin-fd 0", "wfe-mcp approve"),
        ("python -m wfe_mcp force-accept r1 plan", "wfe-mcp force-accept"),
        ("uvx --from git+https://example.org/x wfe-mcp trust --yes", "wfe-mcp trust"),
        ("uvx wfe-mcp@0.1.0 pin set", "wfe-mcp pin"),
        ("script -qec 'wfe-mcp approve r1 plan' /dev/null", "wfe-mcp approve"),
        ('bash -c "$(echo wfe-mcp resume r1)"; wfe-mcp resume r1', "wfe-mcp resume"),
        ("env X=1 /opt/bin/wfe-mcp proceed r1", "wfe-mcp proceed"),
        ("wfe-mcp templates default t", "wfe-mcp templates"),
        ("python -c 'import wfe_mcp.engine'", "wfe-mcp by its code"),
        ("python3 - <<E\nimport wfe_mcp\nE", "wfe-mcp by its code"),
    ],
)
@pytest.mark.parametrize("status", ["ready", "running", "gating"])
def test_a_decision_of_the_user_is_refused_to_the_shell_of_the_client(
    place: Place, status: str, command: str, wanted: str
) -> None:
    answer = reported(place, "Bash", command, work(status))
    assert answer.startswith(
        f"{wanted} is for the user alone. [needs_human] Next: ask the user to run it in a terminal of their own"
    )


@pytest.mark.parametrize(
    "command",
    [
        "wfe-mcp status",
        "wfe-mcp submit r1 approve --path x.json",
        "wfe-mcp approve --help",
        "wfe-mcp pause r1",
        "wfe-mcp",
        "wfe-mcp --json",
        "wfe-mcp templates list",
        "grep approve docs",
        "python -c 'print(1)'",
    ],
)
def test_what_is_no_decision_stays_free(place: Place, command: str) -> None:
    assert reported(place, "Bash", command, work()) == ""


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Bash", {"command": "sqlite3 ../data/wfe.db 'delete from event'"}),
        ("Bash", {"command": "cat < x > ../data/wfe.db"}),
        ("Bash", {"command": "cd ../data && rm wfe.db-wal"}),
        ("Bash", {"command": "python -c \"open('../data/keys/a.json','w')\""}),
        ("Bash", {"command": "python3 - <<E\nopen('../data/wfe.db', 'w')\nE"}),
        ("Bash", {"command": "tar --file=../data/keys/x.tar c"}),
        ("Write", {"file_path": "../data/keys/a.json"}),
        ("Edit", {"file_path": "../data/wfe.db"}),
        ("apply_patch", {"command": "*** Add File: ../data/wfe.db-journal"}),
    ],
)
def test_the_database_and_the_keys_are_out_of_reach(place: Place, tool: str, given: dict[str, Any]) -> None:
    answer = reported(place, tool, given, work())
    assert "belongs to wfe-mcp: its database, keys and logs are not edited. [needs_human]" in answer


def test_a_link_does_not_lead_around_the_limit(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(place.top)
    assert reported(place, "Write", {"file_path": str(tmp_path / "elsewhere" / "a")}, work("ready"))
    assert reported(place, "Bash", "echo x > ~/a", work("ready")) == ""


@pytest.mark.parametrize(("platform", "is_refused"), [("darwin", True), ("win32", True), ("linux", False)])
def test_a_kept_file_is_the_same_in_capitals_where_the_disk_ignores_them(
    place: Place, monkeypatch: pytest.MonkeyPatch, platform: str, is_refused: bool
) -> None:
    on(monkeypatch, rules, platform)
    assert bool(reported(place, "Bash", f"rm {place.kept[0].replace('wfe.db', 'WFE.db')}", work())) is is_refused


@pytest.mark.parametrize(("platform", "is_refused"), [("win32", True), ("linux", False)])
def test_a_backslash_is_part_of_a_path_on_windows(
    place: Place, monkeypatch: pytest.MonkeyPatch, platform: str, is_refused: bool
) -> None:
    for module in (rules, shell):
        on(monkeypatch, module, platform)
    kept = place.kept[0].replace("/", "\\")
    for command in (f"Remove-Item {kept}", f'rm "{kept}"', f"echo x > {kept}", r"C:\tools\wfe-mcp.exe approve r1 plan"):
        assert bool(reported(place, "Bash", command, work())) is is_refused, command
