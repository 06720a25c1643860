"""The command line as a whole: help, completion, misuse, streams, and what it loads."""

import inspect
import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp import __version__
from wfe_mcp.cli.app import (
    COMMANDS,
    GROUPS,
    function_of,
    main,
)
from wfe_mcp.views.moves.calls import command_line
from wfe_mcp.views.moves.envelope import Next

HERE = str(Path(__file__).parents[2])


def spawned(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """``python -m wfe_mcp`` in a process of its own, with little more than ``env -i`` leaves."""
    return subprocess.run(
        [sys.executable, "-m", "wfe_mcp", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=bare_environment(more),
        check=False,
    )


def bare_environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = ("HOME", "PATH", "WFE_DATABASE_URL", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": HERE} | dict(more)


@pytest.mark.requirement("S0-53")
@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_and_takes_json_and_project(empty: Terminal, words: str) -> None:
    answer = empty(*words.split(), "--help")
    assert answer.code == 0
    assert "--json" in answer.out
    assert "--project DIR" in answer.out
    assert not empty.database.exists()


def test_the_help_names_every_command_once_in_groups_of_80_columns(empty: Terminal) -> None:
    answer = empty("--help")
    assert answer.code == 0
    named = [name for described, rest in GROUPS.values() for name in (*described, *rest)]
    assert len(named) == len(set(named))
    assert [name for name in named if f" {name}" not in answer.out] == []
    assert [line for line in answer.out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("noun", sorted({words.split()[0] for words in COMMANDS if " " in words}))
def test_the_help_of_a_group_cuts_no_sentence_of_its_commands(empty: Terminal, noun: str) -> None:
    answer = empty(noun, "--help")
    assert [line for line in answer.out.splitlines() if len(line) > 80] == []
    listed = " ".join(answer.out.partition("Commands:")[2].split())
    names = [words.split()[1] for words in COMMANDS if words.startswith(f"{noun} ")]
    sentences = [re.split(r"(?<=\.)\s", str(inspect.getdoc(function_of(f"{noun} {name}"))))[0] for name in names]
    assert [sentence for sentence in sentences if sentence not in listed] == []


@pytest.mark.parametrize("words", COMMANDS)
def test_the_first_line_of_each_help_is_a_plain_sentence_of_one_line(words: str) -> None:
    first, _, rest = str(inspect.getdoc(function_of(words))).partition("\n")
    assert first.endswith((".", "?")) and (not rest or rest.startswith("\n")), first
    assert len(f"  {words.split()[-1]:<9}{first}") <= 80, first


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")
def test_bash_completes_commands_after_the_completion_is_installed(empty: Terminal, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "wfe-mcp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wfe_mcp "$@"\n')
    program.chmod(0o755)
    typed = """
        wfe-mcp --show-completion | grep -c _WFE_MCP_COMPLETE
        wfe-mcp --install-completion
        . ~/.bashrc
        COMP_WORDS=(wfe-mcp tem); COMP_CWORD=1; _wfe_mcp_completion wfe-mcp; echo "found ${COMPREPLY[*]}"
        COMP_WORDS=(wfe-mcp templates li); COMP_CWORD=2; _wfe_mcp_completion wfe-mcp; echo "found ${COMPREPLY[*]}"
    """
    there = bare_environment({"PATH": os.pathsep.join([str(programs), os.environ["PATH"]])})
    done = subprocess.run(
        ["bash", "--norc", "-c", typed], capture_output=True, text=True, env=there, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("found")] == [
        "found templates",
        "found list lint",
    ]


@pytest.mark.requirement("S0-54")
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["bogus"],
        ["status", "--bogus"],
        ["submit", "r1"],
        ["list", "--limit", "many"],
        ["templates"],
        ["artifact", "x"],
    ],
    ids=" ".join,
)
def test_misuse_ends_with_2_and_says_why_also_as_json(empty: Terminal, words: list[str]) -> None:
    document = empty(*words)
    assert document.code == 2
    assert "Usage: wfe-mcp" in document.out + document.err
    document = empty("--json", *words)
    assert document.code == 2
    assert (document.document["ok"], document.refusal) == (False, "bad_argument")


def test_the_version_is_printed(empty: Terminal) -> None:
    assert empty("--version").out == f"wfe-mcp {__version__}\n"
    assert empty("--json", "--version").document == {"ok": True, "version": __version__}


def test_json_and_project_may_stand_before_the_command(cli: Terminal, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    cli.start("note")
    assert len(cli("--json", "list").data["runs"]) == 1
    assert cli("--json", "--project", str(tmp_path / "other"), "list").data["runs"] == []
    assert cli("--json", "--project", str(tmp_path / "none"), "list").refusal == "bad_argument"


def test_a_fault_of_ours_is_reported_as_such_and_logged(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("wfe_mcp.views.moves.envelope.idle_status", fail)
    document = cli.json("status")
    assert (document.code, document.refusal) == (1, "internal")
    assert "RuntimeError: a bug" in document.document["error"]["message"]


def test_a_text_where_a_path_belongs_is_no_fault_of_ours(cli: Terminal) -> None:
    text = "Milestones " * 100
    for words in (
        ("work", "import", text),
        ("templates", "import", text),
        ("backup", text),
        ("status", "--project", text),
    ):
        # from Python 3.14 on, a path that is too long is one that does not exist
        assert cli.json(*words).refusal in {"bad_argument", "unknown_template"}
    assert cli("prune", "--older-than", "1d", "--keep", "9" * 20).code == 2


def test_help_loads_neither_rich_nor_the_engine() -> None:
    code = (
        "import sys; from wfe_mcp.cli.app import main; main(['--help']);"
        "heavy = {'rich', 'sqlalchemy', 'psutil', 'mcp', 'wfe_mcp.engine.kernel.engine', 'alembic'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=bare_environment({})
    )
    assert done.returncode == 0, done.stderr


def test_where_nothing_is_open_status_loads_neither_sql_nor_models(cli: Terminal) -> None:
    code = (
        "import sys; from wfe_mcp.cli.app import main; main(['status']);"
        "heavy = {'rich', 'mcp', 'alembic', 'sqlalchemy', 'pydantic', 'wfe_mcp.views.answers.tool_answers', 'wfe_mcp.core.events'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    assert cli("cancel", cli.start("note")).code == 0  # the database is there, and files of a run that it knows
    assert [*Path(".wfe/runs").iterdir()]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=bare_environment({})
    )
    assert done.returncode == 0, done.stderr
    assert "No open runs." in done.stdout or "No project here" in done.stdout


def test_the_status_says_the_same_with_and_without_a_glance(cli: Terminal) -> None:
    at_a_glance = cli.json("status").document
    assert cli("cancel", cli.start("note")).code == 0
    assert cli.json("status").document == at_a_glance
    cli.start("note")
    assert len(cli.json("status").data["phases"]) > 0


def test_every_command_is_found_also_behind_options(cli: Terminal) -> None:
    for words in (("status",), ("templates", "list"), ("jobs", "list")):
        assert cli("--json", *words).code == 0
        assert cli(*words, "--json").code == 0
        assert "Usage: wfe-mcp " + " ".join(words) in cli(*words, "--help").out
    assert "Usage: wfe-mcp proceed [OPTIONS] RUN [PHASE]\n" in cli("proceed", "--help").out
    assert "Usage: wfe-mcp archive [OPTIONS] RUN...\n" in cli("archive").err
    assert "approve" in cli("--help").out
    wrong = cli("templates", "nothing")
    assert (wrong.code, "No such command 'nothing'" in wrong.err) == (2, True)
    wrong = cli("statsu")
    assert (wrong.code, "No such command 'statsu'" in wrong.err) == (2, True)
    for words, command in ((("work", "list", "--kind"), "wfe-mcp work list"), (("--project",), "wfe-mcp")):
        assert cli(*words).err.endswith(f"requires an argument. [bad_argument]\nNext: {command} --help\n")


def test_status_of_runs_that_wait_for_hours_between_phases_loads_no_models(cli: Terminal) -> None:
    """Neither those of settings, where no file says anything about runs, nor those of templates."""
    between, asks = cli.start("letter"), cli.start("letter")
    for run, phases in ((between, ("draft",)), (asks, ("draft", "send"))):
        for each in phases:
            assert cli.submit_work(run, each).code == 0
    later = cli.clock.now + timedelta(hours=2)
    code = (
        "import sys; from datetime import datetime; from wfe_mcp.cli.app import main;"
        f"main(['status', '--json'], clock=lambda: datetime.fromisoformat('{later.isoformat()}'));"
        "heavy = {'pydantic', 'pydantic_core', 'wfe_mcp.workflow.model', 'wfe_mcp.workspace.config.settings',"
        "'wfe_mcp.store.maintenance.retention', 'wfe_mcp.store.maintenance.bundles', 'wfe_mcp.store.search.find'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=bare_environment({})
    )
    assert done.returncode == 0, done.stderr
    assert {between, asks} == {row["run"] for row in json.loads(done.stdout)["data"]["runs"]}


def test_in_a_pipe_status_loads_neither_rich_nor_the_server(cli: Terminal) -> None:
    run = cli.start("note")
    code = (
        "import sys; from datetime import datetime; from wfe_mcp.cli.app import main;"
        # A run that has not changed for a minute may be stale: that needs the settings, and they need Pydantic.
        f"main(['status', '{run}'], clock=lambda: datetime.fromisoformat('{cli.clock().isoformat()}'));"
        "heavy = {'rich', 'mcp', 'alembic', 'http.client', 'wfe_mcp.views.answers.tool_answers', 'wfe_mcp.engine.runs.start',"
        "'wfe_mcp.workflow.lint', 'wfe_mcp.providers.manual', 'pydantic', 'pydantic_core', 'wfe_mcp.workflow.model',"
        "'wfe_mcp.workflow.expressions', 'wfe_mcp.cli.commands.doctor'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=bare_environment({})
    )
    assert done.returncode == 0, done.stderr
    assert "Next: tell your agent" in done.stderr


def test_a_command_that_ends_leaves_what_it_imported_out_of_the_last_search_for_garbage() -> None:
    code = (
        "import sys, gc; from wfe_mcp.__main__ import main; sys.argv = ['wfe-mcp', '--version']; main();"
        "sys.exit(gc.get_freeze_count() < 10_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=bare_environment({})
    )
    assert done.returncode == 0, done.stderr


def test_a_bare_environment_is_enough(empty: Terminal) -> None:
    done = spawned("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["summary"] == f"No run is open in this project: {empty.root}"
    misused = spawned("bogus")
    assert misused.returncode == 2, misused


def test_text_that_the_terminal_cannot_show_ends_no_command(cli: Terminal) -> None:
    cli.start("note", "--title", "Grüße 👋")
    done = spawned("list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done
    assert r"Gr\xfc\xdfe" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_leaves_early_is_no_error(cli: Terminal) -> None:
    run = cli.start("note")
    with subprocess.Popen(
        [sys.executable, "-m", "wfe_mcp", "log", run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=bare_environment({}),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_serve_is_a_command_of_its_own(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def speak(project: str, server: str) -> int:
        asked.append(project + server)
        return 0

    monkeypatch.setattr("wfe_mcp.server.entry.serve", speak)
    assert empty("serve", "--project", "there").code == 0
    assert asked == ["there"]
    assert empty.json("serve", "--hooks").refusal == "unavailable"


@pytest.mark.parametrize("code", [0, 1])
def test_demo_plays_and_its_end_is_the_answer(empty: Terminal, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def play(words: Sequence[str]) -> int:
        print("playing", *words)
        return code

    monkeypatch.setattr("wfe_mcp.testing.demo.main", play)
    document = empty("demo", "--yes", "--folder", "here")
    assert (document.code, document.out) == (code, "playing --yes --folder here\n")
    document = empty.json("demo")
    assert (document.code, document.document["ok"], document.err) == (code, code == 0, "playing\n")


def test_on_a_terminal_there_are_colours_and_tables(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    (cli.root / "ok").touch()
    run = cli.start("code", "--title", "[red]not markup[/red]")
    for stream in ("sys.stdout.isatty", "sys.stderr.isatty"):
        monkeypatch.setattr(stream, lambda: True, raising=False)
    (cli.root / "draft.json").write_text('{"text": "x"}')
    document = cli("submit", run, "build", "--path", "draft.json")
    assert "\x1b[" in document.out
    shown = cli("list").out
    assert "[red]not markup[/red]" in shown
    assert "\x1b[1mSTATUS" in shown
    assert "\x1b[32m✓ pass" in cli("show", run).out
    assert json.loads(cli.json("list").out)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in (plain := cli("show", run).out) and "✓" not in plain and "pass" in plain


def test_next_calls_are_reported_as_one_types_them() -> None:
    calls = (
        (Next("control_run", {"run": "r1", "action": "auto_on"}), "wfe-mcp auto on r1"),
        (Next("status", {"run": "r1", "wait_s": 45}), "wfe-mcp watch r1"),
        (Next("retry_phase", {"run": "r1", "phase": "p"}), "wfe-mcp retry r1 p"),
        (Next("skip_phase", {"run": "r1", "phase": "p"}), "wfe-mcp skip r1 p --reason TEXT"),
        (Next("start_run", {"template": "t"}), "wfe-mcp start t --inputs JSON"),
    )
    assert [command_line(move) for move, _ in calls] == [line for _, line in calls]


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
def test_at_a_real_terminal_the_pin_is_typed_unseen(cli: Terminal) -> None:
    import pty

    cli.save(template("wish", phase("draft", {"kind": "approval", "assurance": "human"})))
    run = cli.start("wish")
    cli.submit_work(run, "draft")
    master, slave = pty.openpty()
    # The first process of a new session to open a terminal owns it: only then is there a /dev/tty.
    own = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.executable, [sys.executable, '-m', 'wfe_mcp', *sys.argv[2:]])"
    words = [sys.executable, "-c", own, os.ttyname(slave), "approve", run, "draft", "--json"]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=bare_environment({}),
    ) as process:
        seen = b""
        while b"PIN to sign" not in seen:
            assert select.select([master], [], [], 120)[0], "nobody asked for the PIN"
            seen += os.read(master, 1000)
        os.write(master, f"{PIN}\n".encode())
        out, err = process.communicate(timeout=120)
    os.close(slave)
    os.close(master)
    assert process.returncode == 0, err
    assert json.loads(out)["run_state"] == "completed"
    assert PIN.encode() not in seen


def test_an_interrupt_ends_with_130(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wfe_mcp.views.moves.envelope.idle_status", interrupt)
    assert main(["status"]) == 130
