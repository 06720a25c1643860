"""Incoming messages: one that is signed starts a template as an agent, once; all others are refused alike."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.engine.scene import HUMAN, Scene, phase
from tests.engine.triggers.trigger_scene import BODY, incoming, inputs_of, message, runs
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.engine.credentials.stored import credentials
from wfe_mcp.engine.triggers.incoming import receive, systems
from wfe_mcp.engine.webhooks.signing import rotate

pytestmark = pytest.mark.usefixtures("home")


def test_a_signed_message_starts_a_run_that_says_who_started_it(scene: Scene) -> None:
    secret = incoming(scene)
    started = receive(scene.engine, "tracker", *message(secret))
    (run,) = runs(scene)
    assert run.id == started

    assert (run.template, inputs_of(scene, run)["goal"]) == ("drill", "The till is empty")
    assert (run.triggered_by, run.external_id) == ("incoming tracker", "msg_1")
    with scene.store.read() as tx:
        began = tx.events.of_run(run.id)[0]
    assert (began.channel, began.assurance, began.actor) == (
        Channel.INCOMING,
        Assurance.AGENT,
        "incoming tracker",
    )


def test_inputs_and_the_driver_of_the_table_reach_the_run(scene: Scene) -> None:
    scene.define(phase("plan"))
    scene.write(
        ".wfe/config.toml",
        '[incoming.tracker]\ntemplate = "drill"\ninputs = { goal = "Look" }\ndriver = "me"\n'
        '[roles.me]\nprovider = "manual"\nmodel = "a person"\n',
    )
    scene.trust_config()
    made = rotate(scene.engine, HUMAN, "tracker", scene.engine.settings().settings.incoming["tracker"])
    receive(scene.engine, "tracker", *message(made, "no JSON"))
    (run,) = runs(scene)
    assert (run.driver, inputs_of(scene, run)) == ("me", {"goal": "Look"})


def test_the_same_message_again_starts_no_second_run(scene: Scene) -> None:
    sent = message(incoming(scene))
    first = receive(scene.engine, "tracker", *sent)
    assert receive(scene.process(), "tracker", *sent) == first
    assert len(runs(scene)) == 1


def refusal(scene: Scene, name: str, headers: dict[str, str], body: bytes) -> str:
    with pytest.raises(Refused) as refused:
        receive(scene.engine, name, headers, body)
    return f"{refused.value.code}: {refused.value} {refused.value.details} {refused.value.data}"


@pytest.mark.attack("a message without the secret starts a run, or learns what is configured", "held", "T6; A3")
def test_whatever_is_wrong_with_a_message_it_is_refused_alike(scene: Scene) -> None:
    secret = incoming(scene)
    headers, body = message(secret)
    old, new = (message(secret, at=datetime.now(UTC) + timedelta(minutes=each)) for each in (-6, 6))
    answers = {
        refusal(scene, "nothing", headers, body),
        refusal(scene, "tracker", {}, body),
        refusal(scene, "tracker", headers, body + b" "),
        refusal(scene, "tracker", headers, b"\xff"),
        refusal(scene, "tracker", headers | {"webhook-id": "msg_2"}, body),
        refusal(scene, "tracker", headers | {"webhook-signature": "v1"}, body),
        refusal(scene, "tracker", headers | {"webhook-signature": "v1,%%%"}, body),
        refusal(scene, "tracker", headers | {"webhook-timestamp": "nan"}, body),
        refusal(scene, "tracker", *message("whsec_" + "A" * 32)),
        refusal(scene, "tracker", *old),
        refusal(scene, "tracker", *new),
    }
    scene.write(".wfe/config.toml", '[incoming.tracker]\ntemplate = "drill"\nenabled = false\n')
    scene.trust_config()
    answers.add(refusal(scene, "tracker", headers, body))

    assert len(answers) == 1
    assert next(iter(answers)).startswith("unauthorized: This message is not accepted.")
    assert runs(scene) == []


@pytest.mark.attack("a cloned project names a system that starts templates", "held", "T6; A3")
def test_what_is_not_trusted_starts_nothing(scene: Scene) -> None:
    secret = incoming(scene, trusted=False)
    assert refusal(scene, "tracker", *message(secret)).startswith("unauthorized")
    assert runs(scene) == []


def test_the_old_secret_is_accepted_for_a_day(scene: Scene) -> None:
    old = incoming(scene)
    new = rotate(scene.engine, HUMAN, "tracker", scene.engine.settings().settings.incoming["tracker"])
    receive(scene.engine, "tracker", *message(old, name="msg_1"))
    receive(scene.engine, "tracker", *message(new, name="msg_2"))
    scene.clock.advance(hours=25)
    assert refusal(scene, "tracker", *message(old, name="msg_3")).startswith("unauthorized")


@pytest.mark.attack("another system starts what the policy keeps from agents", "held", "T6; A3")
def test_the_policy_for_agents_holds(scene: Scene) -> None:
    secret = incoming(scene, '[policy]\ntemplates = ["quick_fix"]')
    assert refusal(scene, "tracker", *message(secret)).startswith("needs_human")
    assert "policy.templates" in systems(scene.engine)[0].fault


def test_a_body_that_does_not_have_the_inputs_says_which(scene: Scene) -> None:
    secret = incoming(scene)
    empty = refusal(scene, "tracker", *message(secret, {"issue": {}}))
    assert "'/issue/title' leads nowhere at 'title'. There: an empty object." in empty
    assert "The body is no JSON." in refusal(scene, "tracker", *message(secret, "goal=1", "msg_2"))
    assert refusal(scene, "tracker", *message(secret, {"issue": {"title": 7}}, "msg_3")).startswith("bad_argument")
    assert receive(scene.engine, "tracker", *message(secret, BODY, "msg_4"))


def test_what_keeps_a_system_from_starting_is_said(scene: Scene) -> None:
    def fault(text: str) -> str:
        scene.write(".wfe/config.toml", f"[incoming.tracker]\n{text}\n")
        scene.trust_config()
        return systems(scene.engine)[0].fault

    incoming(scene)
    assert fault('template = "drill"') == ""
    assert "wfe-mcp incoming rotate tracker" in fault('template = "drill"\nsecret = "other"')
    assert "quick_fix" in fault('template = "quick_fixx"')
    assert "no input 'gaol'. Did you mean 'goal'?" in fault('template = "drill"\nfrom_body = { gaol = "/x" }')
    assert "no check 'test'" in fault('template = "quick_fix"')
    goal = {"type": "object", "required": ["goal"], "properties": {"goal": {"type": "string"}}}
    scene.define(phase("plan"), name="strict", schema=goal)
    assert "strict needs the input 'goal'" in fault('template = "strict"')


@pytest.mark.attack(
    "messages without a signature say in the list of credentials that the secret was used", "held", "T6"
)
def test_a_secret_is_used_only_by_a_message_that_it_signed(scene: Scene) -> None:
    secret = incoming(scene)
    headers, body = message(secret)
    used = {each.name: each.used for each in credentials(scene.engine)}
    old = message(secret, at=datetime.now(UTC) - timedelta(minutes=6))
    unsigned = headers | {"webhook-signature": ""}
    for sent in ((unsigned, body), (headers, body + b" "), old, (headers | {"webhook-timestamp": "nan"}, body)):
        refusal(scene, "tracker", *sent)
    assert {each.name: each.used for each in credentials(scene.engine)} == used
    receive(scene.engine, "tracker", headers, body)
    assert {"incoming tracker"} <= {to for each in credentials(scene.engine) for to in each.used}
