"""Opinions from other models that a caller requests."""

import pytest

from tests.engine.model_scene import KEY, ROLES, configure, gate, opinion, server
from tests.engine.scene import AGENT, Scene, approval, command, phase, refused
from tests.fake_models.script import Turn
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, RunId
from wfe_mcp.engine.evaluation import second_opinion
from wfe_mcp.views.answers import opinions
from wfe_mcp.views.moves.envelope import Envelope

pytestmark = pytest.mark.usefixtures("home")

LONG = {"severity": "low", "title": "x" * 200, "detail": "y" * 400}


def ask(scene: Scene, by: By = AGENT, **about: object) -> Envelope:
    """Ask, let the job run, look."""
    found = opinions.ask_opinion(scene.engine, by, **about)  # pyright: ignore[reportArgumentType]
    job = opinions.waited_for(found)
    if job is None:
        return found
    scene.work()
    return opinions.opinion_answer(scene.engine, job, str(about.get("question", "")))


def test_a_question_goes_to_the_named_reviewers_and_comes_back_typed(scene: Scene) -> None:
    with server([opinion("concerns", confidence=80)], [opinion()]) as models:
        configure(scene, models)
        found = ask(scene, question="Is a mutex enough here?", reviewers=["first", "second"])
    assert found.ok
    assert found.summary == "first says concerns; second says pass"
    assert [each["opinion"]["verdict"] for each in found.data["opinions"]] == ["concerns", "pass"]
    assert "Is a mutex enough here?" in str(models.asked[0].body)


def test_while_models_think_the_answer_says_who_is_asked_and_how_to_wait(scene: Scene) -> None:
    with server() as models:
        configure(scene, models)
        found = opinions.ask_opinion(scene.engine, AGENT, question="Why?", reviewers=["first"])
    assert (found.waiting_on, found.next[0].tool) == ("reviewer", "second_opinion")
    assert found.next[0].args == {"question": "Why?", "reviewers": ["first"], "wait_s": 45}
    again = opinions.ask_opinion(scene.engine, AGENT, **{k: v for k, v in found.next[0].args.items() if k != "wait_s"})
    assert again.data["job"] == found.data["job"], "the same question is the same job"


def test_what_was_submitted_goes_along_as_data_and_a_new_revision_is_a_new_question(scene: Scene) -> None:
    with server([opinion(), opinion()]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", {"kind": "approval"}))
        scene.do(run, "plan", {"title": "My careful plan"})
        found = ask(scene, run=run, phase="plan", reviewers=["first"])
        assert (found.run, found.phase) == (run, "plan")
        assert ask(scene, run=run, phase="plan", reviewers=["first"]).data == found.data
        assert models.count == 1
    assert "My careful plan" in str(models.asked[0].body)
    with scene.store.read() as tx:
        (answer,) = tx.opinions.of_run(scene.engine.load(tx, run).record.id)
    assert (answer.asked_by, answer.phase, answer.artifact_sha256) == (
        "call",
        "plan",
        scene.attempt(run, "plan").sha256,
    )


@pytest.mark.parametrize(
    ("client", "model"), [("claude-code", "gpt"), ("codex-mcp-client", "claude"), ("cursor", "claude")]
)
def test_without_reviewers_another_vendor_than_the_client_is_asked(scene: Scene, client: str, model: str) -> None:
    with server() as models:
        configure(scene, models)
        ask(scene, By(client), question="Why?")
    assert [asked.model for asked in models.asked] == [model]


def test_a_rate_limit_is_waited_for_and_a_provider_that_stays_out_is_reported(scene: Scene) -> None:
    with server([Turn(status=429, retry_after="30"), opinion()], [Turn(status=401)]) as models:
        configure(scene, models)
        job = second_opinion.ask(scene.engine, AGENT, question="Why?", reviewers=["first"])
        scene.work()
        assert second_opinion.look(scene.engine, job).status == "waiting"
        assert "first is asked again at 2026-" in opinions.opinion_answer(scene.engine, job).summary
        scene.clock.advance(seconds=31)
        scene.work()
        assert second_opinion.look(scene.engine, job).status == "done"
        found = ask(scene, question="Why?", reviewers=["second"])
    assert found.error is not None
    assert (found.error.code, found.next[0].why) == ("unavailable", "asks again")
    assert found.error.message.startswith("No opinion came: second: Provider 'openai' rejected the key.")
    assert KEY not in str(found)


def test_a_question_that_failed_says_so_for_a_while_and_may_then_be_asked_again(scene: Scene) -> None:
    with server() as models:
        configure(scene, models)
        del scene.engine.environment["ANTHROPIC_API_KEY"]
        no = ask(scene, question="Why?", reviewers=["first"])
        assert not no.ok
        assert no.error is not None
        assert "ANTHROPIC_API_KEY" in no.error.message
        scene.engine.environment["ANTHROPIC_API_KEY"] = KEY
        assert opinions.ask_opinion(scene.engine, AGENT, question="Why?", reviewers=["first"]).error is not None
        scene.clock.advance(seconds=second_opinion.FAILURE_VALID_S)
        assert ask(scene, question="Why?", reviewers=["first"]).ok


def test_where_one_could_not_be_asked_only_that_one_is_asked_again(scene: Scene) -> None:
    with server([opinion("concerns")], [Turn(status=401), opinion()]) as models:
        configure(scene, models)
        found = ask(scene, question="Why?", reviewers=["first", "second"])
        assert found.ok
        assert found.summary == "first says concerns; second could not be asked"
        scene.clock.advance(seconds=second_opinion.FAILURE_VALID_S)
        again = ask(scene, question="Why?", reviewers=["first", "second"])
        assert again.summary == "first says concerns; second says pass"
        assert [asked.model for asked in models.asked].count("claude") == 1
        assert ask(scene, question="Why?", reviewers=["first", "second"]).data == again.data
    assert models.count == 3


def test_the_question_about_a_phase_has_the_values_of_its_prompt_and_what_changed(scene: Scene) -> None:
    build = phase("build", command("ok"), approval(), prompt="Build ${inputs.goal} now")
    scene.check("ok", "pass")
    with server() as models:
        configure(scene, models)
        run = scene.start(build, inputs={"goal": "a bridge"})
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 7\n")
        scene.submit(run, "build")
        ask(scene, run=run, phase="build", reviewers=["first"])
    sent = str(models.asked[0].body)
    assert "Build " in sent
    assert "a bridge" in sent
    assert "${inputs" not in sent
    assert "+VALUE = 7" in sent


def test_a_long_opinion_is_shortened_before_it_is_left_out(scene: Scene) -> None:
    with server([opinion("fail", findings=[LONG] * 40, suggestion="z" * 9_000)]) as models:
        configure(scene, models)
        found = ask(scene, question="Why?", reviewers=["first"])
    answer = found.data["opinions"][0]["opinion"]
    assert (len(answer["findings"]), answer["more_findings"]) == (10, 30)
    assert answer["suggestion"].endswith("[…]")


def test_what_cannot_be_asked_is_refused_with_the_nearest_name(scene: Scene) -> None:
    assert refused(opinions.ask_opinion, scene.engine, AGENT).code == "bad_argument"
    assert refused(opinions.ask_opinion, scene.engine, AGENT, phase="plan").code == "bad_argument"
    none = refused(opinions.ask_opinion, scene.engine, AGENT, question="Why?")
    assert (none.code, "providers add" in none.hint) == ("unavailable", True)
    with server() as models:
        configure(scene, models)
        wrong = refused(opinions.ask_opinion, scene.engine, AGENT, question="Why?", reviewers=["secnd"])
        assert "Did you mean 'second'?" in wrong.hint
        run = scene.start(phase("plan"))
        assert refused(opinions.ask_opinion, scene.engine, AGENT, run=run, phase="pln").hint == "Did you mean 'plan'?"
    with pytest.raises(Refused):
        second_opinion.look(scene.engine, "nowhere")


def test_a_question_about_a_run_shows_its_inputs_and_opinions_of_gates_are_listed_too(scene: Scene) -> None:
    with server([opinion(), opinion("fail")]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate()), roles=ROLES, inputs={"goal": "ship it"})
        scene.do(run, "plan")
        ask(scene, run=run, question="Is this the right goal?", reviewers=["first"])
    assert "ship it" in str(models.asked[1].body)
    listed = second_opinion.known_opinions(scene.engine, RunId(run))
    assert [(each["asked_by"], each["phase"]) for each in listed] == [("gate", "plan"), ("call", None)]


def test_a_person_is_no_reviewer_to_ask_and_the_roles_that_models_fill_are_named(scene: Scene) -> None:
    with server() as models:
        configure(scene, models, extra='[roles.lead]\nprovider = "manual"\n')
        no = refused(second_opinion.ask, scene.engine, AGENT, question="Why?", reviewers=["lead"])
    assert (no.code, no.message) == (
        "bad_argument",
        "'lead' is a person, who gives an opinion where a gate asks for it.",
    )
    assert no.hint == "Name one that a model fills: first, second, third."
