"""``wfe-mcp run``: models execute a run at a terminal until it needs a person."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.scene import PIN, Clock, Terminal, phase, template
from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.workspace.system.location import user_config_file

DONE = Turn(value={"text": "made by a model"})
READS = {"tools_allowed": ["read"]}


@contextmanager
def models(*turns: Turn, extra: str = "") -> Generator[ModelServer]:
    """A server whose model says these turns, and a configuration in which it fills the role ``coder``."""
    with ModelServer({"claude": list(turns)}, key=None) as server:
        file = user_config_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f'[providers.anthropic]\nbase_url = "{server.origin}"\nkey = "env:A_KEY"\n'
            f'[roles.coder]\nprovider = "anthropic"\nmodel = "claude"\n[roles.me]\nprovider = "manual"\n{extra}',
            encoding="utf-8",
        )
        yield server


class Moving(Clock):
    """A clock that goes as clocks do: what waits for a time here, waits in the background."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture(autouse=True)
def key(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-canary-0123456789")
    cli.clock = Moving()


def use(name: str, **given: Any) -> Turn:
    return Turn(calls=(Call(name, given),))


def test_a_driver_works_the_run_and_what_happens_is_shown(cli: Terminal) -> None:
    cli.save(template("code2", phase("draft", **READS)))
    (cli.root / "notes.md").write_text("what to do")
    with models(use("read", path="notes.md"), DONE):
        answer = cli("run", "code2", "--driver", "coder", "--title", "By a model")
    assert answer.code == 0, answer.err
    assert "read notes.md: ok, " in answer.out
    assert "anthropic claude: " in answer.out
    assert answer.out.index("RunStarted") < answer.out.index("read notes.md") < answer.out.index("RunCompleted")
    assert '"By a model": completed in ' in answer.out
    assert "--resume" in answer.err


def test_show_counts_the_tools_of_each_attempt_and_gives_them_whole_when_asked(cli: Terminal) -> None:
    cli.save(template("code2", phase("draft", **READS)))
    (cli.root / "notes.md").write_text("what to do")
    with models(use("read", path="notes.md"), use("read", path="nowhere.md"), DONE):
        run = cli.json("run", "code2", "--driver", "coder").document["run"]
    (tried,) = cli.json("show", run).data["attempts"]
    assert tried["tools"]["artifact"] == "tools:1"
    assert (tried["tools"]["calls"], tried["tools"]["failed"], tried["tools"]["names"]) == (2, 1, {"read": 2})
    assert "tool_calls" not in tried
    assert "2 tool calls, 1 failed" in cli("show", run).out
    (whole,) = cli.json("show", run, "--phase", "draft", "--tools").data["attempts"]
    assert whole["tool_calls"][0]["input"] == {"path": "notes.md"}
    assert "what to do" in whole["tool_calls"][0]["output"]
    output = cli("show", run, "--phase", "draft", "--tools").out
    assert "1. read ok" in output and "what to do" in output and "2. read failed" in output
    assert cli.json("show", run, "--phase", "drafts").refusal == "unknown_phase"


def test_it_ends_well_when_a_person_is_asked_and_names_the_command(cli: Terminal) -> None:
    with models(DONE, DONE):
        answer = cli("run", "letter", "--driver", "coder")
    assert answer.code == 0, answer.err
    assert "wfe-mcp approve " in answer.err
    with models():
        again = cli("run", "--resume", cli.json("list").data["runs"][0]["run"])
    assert again.code == 0
    assert "wfe-mcp approve " in again.err


def test_it_ends_badly_when_a_phase_has_failed_and_says_where_to_look(cli: Terminal) -> None:
    with models(DONE):
        answer = cli("run", "code", "--driver", "coder")
    assert answer.code == 1
    assert "wfe-mcp show " in answer.err and "--phase build" in answer.err
    assert " build (or: skip, force-accept, edit)" in answer.out


def test_it_fails_when_no_one_works_a_phase(cli: Terminal) -> None:
    document = cli.json("run", "note")
    assert (document.code, document.refusal) == (1, "unavailable")
    assert "wfe-mcp run note --driver ROLE" in document.document["error"]["hint"]


def test_a_driver_that_no_one_configured_starts_nothing(cli: Terminal) -> None:
    with models():
        assert cli.json("run", "note", "--driver", "nobody").refusal == "bad_argument"
        assert cli.json("list").data["runs"] == []


@pytest.mark.parametrize("words", [[], ["note", "--resume", "x"], ["--resume", "x", "--driver", "coder"]])
def test_a_run_is_started_or_continued_never_both(cli: Terminal, words: list[str]) -> None:
    assert cli.json("run", *words).code == 2


def test_a_person_answers_for_a_model_and_learns_where_the_files_are(cli: Terminal) -> None:
    with models():
        run = cli.start("note", "--driver", "me")
        # The prompt is written by the process that works the job; who is waited for is known before.
        found = cli.json("status", run)
        folder = f".wfe/runs/{run}/draft/1/manual"
        assert found.document["waiting_on"] == "human"
        assert f"{folder}/prompt.md" in found.data["blockers"][0]
        assert f"{folder}/answer.json" in found.data["blockers"][0]
        (cli.root / folder).mkdir(parents=True)
        (cli.root / folder / "answer.json").write_text(json.dumps({"text": "by hand"}))
        answer = cli("run", "--resume", run)
    assert answer.code == 0, answer.err
    assert f"{folder}/prompt.md" in answer.err
    assert cli.state(run) == "completed"


def test_a_run_that_waits_for_its_provider_continues_by_itself(cli: Terminal) -> None:
    out = Turn(status=529)
    with models(out, out, out, DONE, extra='[outage]\nwait = "1s"\n'):
        answer = cli("run", "note", "--driver", "coder")
    assert answer.code == 0, answer.err
    assert "does not answer" in answer.out
    assert cli.state(answer.err.split()[1].rstrip(".")) == "completed"


def test_what_configuration_says_is_asked_of_the_person_too(cli: Terminal) -> None:
    with models(DONE, extra='[policy]\ntemplates = ["letter"]\n'):
        assert cli.json("run", "note", "--driver", "coder").refusal == "needs_human"
        assert cli.json("run", "note", "--driver", "coder", pin=PIN).code == 0
