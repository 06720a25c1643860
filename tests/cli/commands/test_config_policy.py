"""``wfe-mcp config policy``: the approval policy is shown, and changed with the PIN."""

import json
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.cli.terminal import confirm
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store.settings import SIGNED
from wfe_mcp.workspace.system.location import project_at

CONFIG = ".wfe/config.toml"


def test_the_policy_is_shown_and_changed_and_an_agent_starts_only_what_it_names(cli: Terminal) -> None:
    assert cli.json("config", "policy").data["in_force"] == {
        "templates": None,
        "evidence": None,
        "on_mismatch": "block",
    }
    document = cli.json("config", "policy", "--templates", "note", "--evidence", "checkout", "--yes", pin=PIN)
    assert (document.code, document.data["in_force"]["templates"]) == (0, ["note"]), document.out
    assert "checkout" in cli("config", "policy").out
    assert cli.json("start", "letter").refusal == "needs_human"
    again = cli.json("config", "policy", "--evidence", "checkout", "--yes", pin=PIN)
    assert "already" in again.document["summary"]
    weaker = cli(
        "config", "policy", "--templates", "any", "--evidence", "any", "--on-mismatch", "warn", "--yes", pin=PIN
    )
    assert (weaker.code, weaker.out.count("(WEAKENS)")) == (0, 3)
    assert "any template" in weaker.out
    assert cli("verify").code == 0


def test_without_a_pin_the_change_is_shown_and_nothing_is_written(cli: Terminal) -> None:
    before = (cli.root / CONFIG).read_bytes()
    document = cli.json("config", "policy", "--templates", "none", "--yes")
    assert (document.code, document.refusal) == (1, "needs_human")
    assert "wfe-mcp config policy --templates none" in document.document["error"]["hint"]
    assert cli.json("config", "policy", "--templates", "none", "--yes", pin="wrong horse").refusal == "wrong_pin"
    assert cli.json("config", "policy", "--templates", "notes").refusal == "bad_argument"
    assert (cli.root / CONFIG).read_bytes() == before


def test_the_refusal_shows_the_change_and_the_signature_covers_that(cli: Terminal) -> None:
    words = ("config", "policy", "--on-mismatch", "warn", "--yes")
    shown = cli.json(*words).document["data"]
    assert [(each["key"], each["weakens"]) for each in shown["changes"]] == [("artifacts.on_mismatch", True)]
    assert cli.json(*words, pin=PIN).code == 0
    with closing(create_engine(project_at(cli.root), clock=cli.clock)) as engine, engine.store.read() as tx:
        signed = [json.loads(each.name)["statement"] for each in tx.settings_log.events() if each.type == SIGNED]
    assert shown["shown"] in [json.loads(each)["shown"] for each in signed]


def test_what_holds_is_shown_beside_what_the_file_says(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFE_POLICY_EVIDENCE", "checkout")
    monkeypatch.setenv("WFE_POLICY_TEMPLATES", "note")
    rows = [line.split("  ") for line in cli("config", "policy").out.splitlines()]
    found = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert found["agents may start"] == ["note", "any template"]
    assert found["least evidence of checks"] == ["checkout", "any"]


def test_what_weakens_it_is_asked_at_a_terminal_also_with_yes(
    cli: Terminal, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (cli.root / CONFIG).read_bytes()
    asked: list[str] = []
    answers = iter("yn")

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    at_terminal(True)
    monkeypatch.setattr(confirm, "read_typed_line", typed)
    assert cli("config", "policy", "--on-mismatch", "warn", "--yes").code == 1
    assert "type weaken" in asked[-1]
    assert cli("config", "policy", "--evidence", "checkout").code == 1
    assert asked[-1].startswith("Change it?")
    assert (cli.root / CONFIG).read_bytes() == before


def test_a_value_that_no_option_takes_is_answered_with_those_it_takes(cli: Terminal) -> None:
    refused = cli("config", "policy", "--evidence", "nope")
    assert refused.code == 2
    assert "'nope' is not one of 'any', 'worktree'" in refused.err
