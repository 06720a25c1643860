"""States of providers, reviewers, packages and pages in which commands are proposed: see tests/cli/following.py."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from tests.cli.agent import agent, engine_of, page_of, program, tab
from tests.cli.following import KEY, with_key
from tests.cli.scene import HUMAN, PIN, phase, template
from tests.cli.test_followed_answers import other_template, own_configuration
from tests.cli.test_followed_states import more_configuration
from tests.cli.test_next_steps import STOP, begun, follow_in, in_each
from tests.dashboard.api.client import Program
from tests.fake_models.server import ModelServer
from tests.packages import install_sample, on_the_path
from wfe_mcp.core.model import By, Channel
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.workspace.system.location import data_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.cli.scene import Terminal

GATE = {"kind": "opinion", "reviewers": ["one"]}
STORED = '[providers.second]\nkind = "openai"\nkey = "stored"\n[roles.first]\nprovider = "second"\nmodel = "m"\n'


def reviewed(cli: Terminal) -> str:
    """A run whose phase a reviewer of the user's trusted configuration looks at."""
    cli.save(template("reviewed", phase("draft", GATE, on_fail=STOP), roles={"one": {"provider": "first"}}))
    cli("trust", "own", "--yes", pin=PIN)
    return cli.start("reviewed")


def opinion_of_no_one(cli: Terminal) -> None:
    run = cli.start("note")
    agent(cli, "second_opinion", run=run, phase="draft", reviewers=["zzzzzz"])
    agent(cli, "second_opinion", question="Is it?", reviewers=["zzzzzz"])


def wrong_words_about_providers(cli: Terminal) -> None:
    cli("providers", "role", "reviewer", "openai")
    cli("providers", "remove", "claude-code")
    cli("providers", "add", "mine", "--kind", "openai-compatible", "--base-url", "nothing")
    cli("providers", "add", "mine", "--kind", "openai-compatible", "--base-url", "http://127.0.0.1:9/v1")
    cli("providers", "add", "mine", "--kind", "openai-compatible", "--base-url", "http://127.0.0.1:9/v1")
    more_configuration(cli, '[providers.ours]\nkind = "claude-code"\nenabled = false\n')
    cli("trust", "--yes", pin=PIN)
    cli("providers", "enable", "ours")
    cli("providers", "remove", "ours")
    cli("opinion", "ask", "--question", "Is it?", "--reviewer", "mine")
    agent(cli, "second_opinion", question="Is it?", reviewers=["mine"], wait_s=5)


def opinion_of_a_person(cli: Terminal) -> None:
    own_configuration('[roles.first]\nprovider = "manual"\n')
    run = reviewed(cli)
    cli.submit_work(run, "draft")
    (question,) = (cli.root / ".wfe" / "runs" / run).rglob("opinion-*.md")
    answer: dict[str, object] = {"verdict": "pass", "findings": [], "summary": "I find it readable"}
    question.with_suffix(".json").write_text(json.dumps(answer))
    cli("status", run)
    cli.json("inbox")
    cli("inbox")
    cli.hear({"question": question.read_text()})
    cli("opinion", "show", run, "draft")
    cli("opinion", "answer", run, "draft", "--path", "mine.json", pin=PIN)
    cli("opinion", "answer", run, "draft", pin=PIN)
    cli.json("find", "readable")


def reviewer_without_a_key(cli: Terminal) -> None:
    own_configuration('[roles.first]\nprovider = "openai"\nmodel = "small"\n')
    run = reviewed(cli)
    cli.submit_work(run, "draft")
    cli("status", run)
    own_configuration('[roles.first]\nprovider = "openai"\nmodel = "large"\n')
    run = cli.start("reviewed")
    cli.submit_work(run, "draft")
    cli("status", run)
    cli("opinion", "ask", run, "draft", "--reviewer", "first")


def reviewer_with_a_wrong_key(cli: Terminal) -> None:
    with ModelServer(key="another") as models:
        own_configuration(
            f'[providers.near]\nkind = "openai"\nbase_url = "{models.v1}"\nkey = "stored"\n'
            '[roles.first]\nprovider = "near"\nmodel = "small"\n'
        )
        with_key(cli, ["providers", "key", "near"])
        run = reviewed(cli)
        cli.submit_work(run, "draft")
        cli("status", run)


def keys(cli: Terminal) -> None:
    own_configuration(STORED)
    cli("providers", "test", "second", "--model", "m")
    cli("doctor")
    with_key(cli, ["providers", "key", "second"])
    (file,) = data_dir().glob("*.key")
    file.write_bytes(Fernet.generate_key())
    cli("providers", "test", "second", "--model", "m")
    file.unlink()
    cli("providers", "test", "second", "--model", "m")
    own_configuration('[providers.third]\nkind = "anthropic"\n')
    cli("providers", "test", "third", "--model", "m")


def model_that_does_not_answer_by_its_name(cli: Terminal) -> None:
    with ModelServer(key=KEY, models=("small",)) as models:
        own_configuration(f'[providers.near]\nkind = "openai"\nbase_url = "{models.v1}"\nkey = "stored"\n')
        with_key(cli, ["providers", "key", "near"])
        cli("providers", "test", "near", "--model", "zzzzzz")
        cli("providers", "role", "reviewer", "near")
        cli("opinion", "ask", "--question", "Is it?", "--reviewer", "near")


def plugins_at_fault(cli: Terminal) -> None:
    with on_the_path(install_sample(cli.place, cli.place / "site")) as site:
        cli.save(template("odd", phase("work", {"kind": "plugin", "use": "acme.no_todo"}, on_fail=STOP)))
        run = cli.start("odd")
        ticket = {"artifact": "draft", "schema": "acme.ticket@1"}
        cli.save(template("ticket", phase("draft", output=ticket)))
        (site / "acme_wfe" / "gates.py").write_text("x = 1")
        (site / "acme_wfe" / "schemas.py").write_text("x = 1")
        (site / "acme_wfe" / "models.py").write_text("x = 1")
        for name in [each for each in sys.modules if each.startswith("acme_wfe")]:
            del sys.modules[name]
        cli.submit_work(run, "work")
        cli("status", run)
        own_configuration('[providers.odd]\nkind = "acme.models"\n')
        cli("providers", "test", "odd", "--model", "m")
        cli("start", "ticket")
        other_template(cli, "second", phase("draft", output=ticket))
        cli("templates", "lint", "second")
    cli("start", "odd")


def at_the_page(cli: Terminal) -> None:
    shape = {"artifact": "work", "schema": {"type": "object"}, "editable": False}
    run = begun(cli, phase("work", HUMAN, output=shape))
    cli.submit_work(run, "work")
    cli("approve", run, "work")
    (waiting,) = cli.json("inbox").data["decisions"]
    request = {"request": waiting["request"]}
    with page_of(cli) as (engine, page):
        answers = [Program(page.port).get("/runs").body, Program(page.port).post("/session", code="zzz").body]
        person = tab(engine, page)
        answers += [person.get("/decisions/{request}/edit", request).body]
        cli.clock.forward(hours=13)
        answers += [person.post("/runs/{run}/control", {"run": run}, action="pause").body]
    with page_of(cli, on_demand=True) as (engine, page):
        answers += [tab(engine, page).post("/session/confirm", pin=PIN).body]
    for each in answers:
        cli.hear(each)


def a_thousand_tokens(cli: Terminal) -> None:
    with engine_of(cli) as engine:
        for number in range(1_000):
            create_token(engine, By("ci", Channel.CLI), f"t{number}", "read")
    cli("token", "create", "more", "--scope", "read")


def no_pin(cli: Terminal) -> None:
    cli.database.unlink()
    cli("trust", "--yes", pin=PIN)
    program(cli, "post", "/trust", "manage", names=[], shown="0" * 64, pin=PIN)
    with page_of(cli) as (engine, page):
        answer = tab(engine, page).post("/session/confirm", pin=PIN).body
    cli.hear(answer)


REACHED = (
    opinion_of_no_one,
    wrong_words_about_providers,
    opinion_of_a_person,
    reviewer_without_a_key,
    reviewer_with_a_wrong_key,
    keys,
    model_that_does_not_answer_by_its_name,
    plugins_at_fault,
    at_the_page,
    a_thousand_tokens,
    no_pin,
)
"""States; ``tests/proposals.toml`` says which texts are followed there."""


@in_each(REACHED)
def test_what_is_answered_in_a_state_is_followed_there(
    cli: Terminal, bring: Callable[[Terminal], None], request: pytest.FixtureRequest
) -> None:
    follow_in(cli, bring, request)
