"""Trust at the terminal: the same listing, statement and effect as on the page; doctor shows the same difference."""

import json
import os
from collections.abc import Callable
from typing import Any

from tests.cli.scene import PIN, Terminal
from tests.dashboard.browser import Browser
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals.statements import read_statement
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.settings import SIGNED
from wfe_mcp.views.approvals.trust import trust_path, trust_view
from wfe_mcp.workspace.system.location import project_at

CONFIG = ".wfe/config.toml"
LATER = '[checks.test]\nargv = ["pytest", "-x"]\n[templates.letter.phases.send]\napprover = "skip"\n'
ADA = By("ada", Channel.CLI, Assurance.HUMAN)


def statements(engine: Engine) -> list[dict[str, Any]]:
    """What was signed in the settings, oldest first."""
    with engine.store.read() as tx:
        rows = [json.loads(one.name)["statement"] for one in tx.settings_log.events() if one.type == SIGNED]
    found = [read_statement(each) for each in rows]
    return [each.values for each in found if each is not None]


def test_command_and_page_sign_the_same_statement_for_the_same_bytes(cli: Terminal) -> None:
    before = sha256_hex((cli.root / CONFIG).read_bytes())
    (cli.root / CONFIG).write_text(LATER)
    engine = create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)
    try:
        with engine.store.read() as tx:
            names = (
                f"trusted:{engine.project_id}:{trust_view(engine).pending[0].key}",
                f"strict:project:{engine.project_id}",
            )
            kept = {name: tx.secrets.get(name) for name in names}
        shown = trust_view(engine)
        assert cli("trust", "config", "--yes", pin=PIN).code == 0
        by_command = statements(engine)[-1]
        with engine.store.tx() as tx:  # as it was before
            tx.trust.give(engine.project_id, shown.pending[0].key, before, ADA, engine.clock())
            for name, value in kept.items():
                tx.secrets.set(name, value, ADA, engine.clock())
        assert trust_view(engine).sha256 == shown.sha256
        with serve_page(engine, 0) as page:
            assert isinstance(page, Page)
            browser, path = Browser(page.port), f"/{trust_path(engine)}"
            seen = browser.send(browser.get(path), "/", pin=PIN)
            fields = {name: value for name, value in seen.forms[path].items() if not name.startswith("trust:")}
            sent = browser.post(path, fields | {"trust:config": "yes", "pin": PIN}, Origin=page.url.rstrip("/"))
            assert sent.status == 303
        by_page = statements(engine)[-1]
    finally:
        engine.close()
    assert by_command["shown"] == by_page["shown"] == shown.sha256
    places = dict.fromkeys(("request", "log", "time"))
    assert by_command | places == by_page | places


def test_doctor_and_trust_show_the_same_difference(cli: Terminal) -> None:
    (cli.root / CONFIG).write_text(LATER)
    listed = cli.json("trust", "config")
    effects = [one for one in listed.data["pending"][0]["effects"] if one["mark"] != "same"]
    found = [one["message"] for one in cli.json("doctor").data["findings"] if one["topic"] == "trust config"]
    assert len(found) == len(effects) > 1
    for effect, message in zip(effects, found, strict=True):
        assert f"{effect['subject']}: {effect['detail']}" in message
        assert effect.get("was", "") in message
    assert "approver: skip" in found[0], "what weakens a gate comes first"


def test_trust_names_what_does_not_count_all_the_same(cli: Terminal) -> None:
    hook, place = '[webhooks.n8n]\nurl = "http://127.0.0.1:1/hook"\n', "http://127.0.0.1:1"
    (cli.root / CONFIG).write_text(hook)
    said = cli("trust", "config", "--yes", pin=PIN)
    assert said.code == 0
    assert f"! [webhooks.n8n] does not count: plain http to {place} is not allowed" in said.out
    (cli.root / CONFIG).write_text(f'{hook}[http]\nallow = ["{place}"]\n')
    assert "does not count" not in cli("trust", "config", "--yes", pin=PIN).out


def test_naming_ones_own_configuration_records_a_review(cli: Terminal) -> None:
    answer = cli("trust", "own", "--yes", pin=PIN)
    assert answer.code == 0
    assert "Trusted: nothing new. Reviewed: " in answer.out


def test_trust_in_one_thing_reviews_nothing_else(cli: Terminal) -> None:
    from wfe_mcp.workspace.system.location import user_config_file

    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# one\n")
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    file.write_text("# two\n")
    (cli.root / CONFIG).write_text(LATER)
    assert "Reviewed" not in cli("trust", "config", "--yes", pin=PIN).out
    assert "Reviewed" in cli("trust", "--yes", pin=PIN).out


def test_a_name_that_nothing_has_is_refused_before_the_pin(cli: Terminal, answering: Callable[..., None]) -> None:
    answering()  # an answer that is asked for fails the test
    refused = cli("trust", "nope")
    assert (refused.code, refused.out) == (1, "")
    assert "Nothing called 'nope' needs trust." in refused.err


def test_a_gate_that_needs_trust_is_judged_again_where_the_trusted_bytes_are_back(cli: Terminal) -> None:
    config = cli.root / CONFIG
    before = config.read_text()
    run = cli.start("code")
    config.write_text(f"{before}# edited\n")
    cli.submit_work(run, "build")
    assert cli.state(run) == "waiting"
    waits = cli("inbox").out
    assert ("waits for it" in waits, "ask the user" in waits) == (True, False)
    config.write_text(before)
    assert cli("trust").out == f"Nothing needs trust. Judged again: {run}.\n"
    assert cli.json("status", run).data["phases"][0]["state"] == "gating"
    assert "waits for a person" not in cli("status", run).out, "it was given"
    assert cli("trust").out == "Nothing needs trust.\n"


def test_a_template_may_be_called_as_the_own_configuration_is(cli: Terminal) -> None:
    draft = {"id": "draft", "prompt": "Write it.", "output": {"artifact": "draft", "schema": {"type": "object"}}}
    template = {"format": "wfe/1", "name": "own", "version": "1.0.0", "title": "Own", "phases": [draft]}
    (cli.root / ".wfe/templates/own.json").write_text(json.dumps(template))
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    assert cli("start", "own").code == 0
