"""The decision view at a terminal of 80 and of 140 columns, piped, and as JSON: snapshots, reviewed by eye.

To write them again: ``WFE_WRITE_SNAPSHOTS=1``; then read the difference.
"""

import json
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from tests.decision_scenes import SCENES, playground, steady
from wfe_mcp.cli.app import main
from wfe_mcp.views.approvals import evidence

SNAPSHOTS = Path(__file__).parent / "snapshots" / "decision"


@dataclass
class Waiting:
    """A scene, its run, and the phase that waits."""

    name: str
    run: str
    phase: str
    root: Path
    others: tuple[str, ...]


@pytest.fixture(scope="module", params=SCENES)
def waiting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Waiting]:
    folder = tmp_path_factory.mktemp(str(request.param))
    with playground(folder) as project, pytest.MonkeyPatch.context() as patch:
        run, waits = SCENES[request.param](project)
        patch.setattr(evidence, "duration", same_time)  # its width decides where a line is broken
        for name in ("WFE_DATABASE_URL", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, project.environment[name])
        patch.chdir(project.root)  # there no command needs to name it
        with project.engine.store.read() as tx:
            others = tuple(each.id for each in tx.runs.page(project.engine.project_id, limit=9).runs)
        yield Waiting(str(request.param), run, waits, project.root, (*others, str(project.root)))


def same_time(_seconds: float) -> str:
    return "0.1 s"


def same(waiting: Waiting, form: str, text: str) -> None:
    """``text`` is as the snapshot says."""
    file, found = SNAPSHOTS / f"{waiting.name}-{form}.txt", steady(text, *waiting.others)
    if os.environ.get("WFE_WRITE_SNAPSHOTS"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


def shown(waiting: Waiting, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert (
        main(["show", waiting.run, "--decision", "--phase", waiting.phase, "--project", str(waiting.root), *words]) == 0
    )
    return capsys.readouterr().out


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("columns", [80, 140])
def test_at_a_terminal_it_is_as_wide_as_it_can_be_read(
    waiting: Waiting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    same(waiting, str(columns), shown(waiting, capsys))


def test_in_a_pipe_nothing_is_wrapped_or_coloured(waiting: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    answer = shown(waiting, capsys)
    assert "\x1b" not in answer
    same(waiting, "piped", answer)


def test_as_json_it_has_the_same_facts(waiting: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(shown(waiting, capsys, "--json"))
    assert len(document["data"]["shown_sha256"]) == 64
    same(waiting, "json", json.dumps(document["data"]["decision"], indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def test_the_short_form_names_the_files_alone(waiting: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    short = shown(waiting, capsys, "--stat")
    assert "@@" not in short
    assert short.count("CHANGE since") >= 1


@pytest.mark.requirement("E-02")
def test_a_run_at_a_gate_before_work_is_shown(cli: Terminal) -> None:
    cli.save(template("slow", phase("draft", prompt_gates=[HUMAN])))
    run = cli.start("slow")
    answer = cli("show", run)
    assert (answer.code, "awaiting approval  prompt " in answer.out) == (0, True)
    prompt = cli("show", run, "--decision").out
    assert "PROMPT, exactly as the agent gets it" in prompt
    assert "  Write it." in prompt


@pytest.mark.requirement("E-03")
def test_a_prompt_is_approved_after_it_was_shown(cli: Terminal) -> None:
    cli.save(template("slow", phase("draft", prompt_gates=[HUMAN])))
    run = cli.start("slow")
    answer = cli("approve", run, "draft", pin=PIN)
    assert answer.out.index("  Write it.") < answer.out.index("Approved draft, prompt ")


def test_where_nothing_waits_the_refusal_says_so(cli: Terminal) -> None:
    run = cli.start("letter")
    assert cli.json("show", run, "--decision").refusal == "illegal_transition"


def test_the_artifact_is_json_only_where_it_is_wanted(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert '"text": "hello"' not in cli("show", run, "--decision").out
    assert '"text": "hello"' in cli("show", run, "--decision", "--raw").out


def test_with_json_at_a_terminal_the_view_comes_before_the_pin_is_asked_for(
    cli: Terminal, at_terminal: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    seen: list[str] = []

    def type_in(prompt: str) -> str:
        seen.append(cli.capture.readouterr().err)
        return PIN

    assert callable(at_terminal)
    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", type_in)
    assert cli.json("approve", run, "send").code == 0
    assert "text: hello" in seen[0]


def test_reject_shows_what_it_sends_back(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    answer = cli("reject", run, "send", "--feedback", "Say more.", pin=PIN)
    assert answer.out.index("text: hello") < answer.out.index("Rejected send")
