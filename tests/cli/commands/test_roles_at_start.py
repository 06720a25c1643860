"""``start``: ``--role`` says who works as a role of the template, for one run (S0-52); a refusal names the missing option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands.test_opinion import GATE, models
from tests.cli.scene import PIN, phase, template

if TYPE_CHECKING:
    from tests.cli.scene import Said, Terminal

__all__ = ["models"]


@pytest.fixture
def started(cli: Terminal, models: Any) -> Terminal:
    """A template whose phase has a role, reviewed by another one; ``second`` is a configured role."""
    models()
    assert cli("trust", "own", "--yes", pin=PIN).code == 0
    roles = {"writer": {"description": "writes"}, "one": {"provider": "first"}}
    cli.save(template("worked", phase("draft", GATE, role="writer"), roles=roles))
    return cli


def start(cli: Terminal, *roles: str, key: str = "") -> Said:
    words = [word for role in roles for word in ("--role", role)]
    return cli.json("start", "worked", *words, *(("--key", key) if key else ()))


@pytest.mark.requirement("S0-52")
@pytest.mark.parametrize("name", ["second", "anthropic", "openai/gpt"])
def test_a_role_named_at_the_start_works_and_is_shown(started: Terminal, name: str):
    answer = start(started, f"writer={name}")
    assert answer.code == 0, answer.out
    run = answer.document["run"]
    assert answer.document["waiting_on"] != "agent", "the server works the phase now"
    assert started.json("status", run, "--full").data["roles"] == {"writer": name}
    assert f"role writer: {name}" in started("show", run).out
    assert started("verify", run).code == 0
    plain = start(started)
    assert (plain.document["waiting_on"], "roles" in plain.data) == ("agent", False)


@pytest.mark.requirement("S0-52")
def test_a_role_that_reviews_is_not_filled_by_an_argument(started: Terminal):
    answer = start(started, "one=second")
    assert (answer.refusal, answer.document["error"]["details"][0]["path"]) == ("needs_trust", "/roles/one")
    assert "[templates.worked.roles.one]" in answer.document["error"]["hint"]


@pytest.mark.parametrize(
    ("role", "result"),
    [
        ("wrter=second", "Did you mean 'writer'?"),
        ("zzz=second", "Its roles: writer, one."),
        ("writer=secnd", "Did you mean 'second'?"),
    ],
)
def test_an_unknown_role_or_name_is_refused_with_the_nearest(started: Terminal, role: str, result: str):
    answer = start(started, role)
    assert answer.refusal == "bad_argument"
    assert result in answer.document["error"]["hint"]


@pytest.mark.parametrize("roles", [("writer",), ("writer=",), ("=second",), ("writer=second", "writer=first")])
def test_what_is_no_role_is_misuse(started: Terminal, roles: tuple[str, ...]):
    assert start(started, *roles).code == 2


def test_the_same_key_with_another_role_is_a_conflict(started: Terminal):
    first = start(started, "writer=second", key="k")
    assert start(started, "writer=second", key="k").document["run"] == first.document["run"]
    assert start(started, "writer=anthropic", key="k").refusal == "conflict"


def test_a_fork_and_a_resumed_run_keep_their_roles(started: Terminal):
    run = start(started, "writer=second").document["run"]
    assert started("start", "--from", run, "--role", "writer=first").code == 2
    assert started("run", "--resume", run, "--role", "writer=first").code == 2
    fork = started.json("start", "--from", run)
    assert started.json("status", fork.document["run"], "--full").data["roles"] == {"writer": "second"}


def test_a_start_without_an_input_names_the_option_that_brings_it(cli: Terminal) -> None:
    cli.save(
        template("tell", phase("draft"), inputs={"type": "object", "required": ["who"], "properties": {"who": {}}})
    )
    assert "start it again with -i who=VALUE." in cli("start", "tell").err
    assert "start it again with -i who=VALUE and without -i whom." in cli("start", "tell", "-i", "whom=me").err
    assert "start it again without -i whom." in cli("start", "tell", "-i", "who=me", "-i", "whom=me").err
    assert "--inputs JSON" in cli("start", "tell", "--inputs", "{}").err
    assert cli("start", "tell", "-i", "who=me").code == 0
