"""A standing grant gives an agent nothing that the person did not sign: not by the database, and not by what it writes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.approvals.people import ada
from tests.engine.scene import AGENT, Scene, approval, phase, refused
from tests.security.forger import Forger
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import Assurance, By, Channel, Person
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.grants import Grant, GrantUse, end_grant, give_grant
from wfe_mcp.engine.history.rollback import rollback
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.views.approvals.grants import grant_list, seen_sha256
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.project.news import news
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.values.model import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.run_change import RunChange

GRANTED = By("grant g-1 of ada", Channel.GRANT, Assurance.HUMAN)

TAKEN_BACK = "an attempt was withdrawn, rolled back or sent back"


@pytest.fixture
def forger(scene: Scene) -> Forger:
    return Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}")


@pytest.fixture
def person(scene: Scene) -> Person:
    scene.human = ada(scene)
    scene.define(phase("plan", approval()), phase("build", approval()))
    return scene.human


def give(scene: Scene, person: Person, when: str = "${size(change.files) == 0}", uses: int = 1) -> Grant:
    draft = draft_grant(scene.engine, "drill", "plan", when, uses, scene.clock() + timedelta(hours=1))
    return give_grant(scene.engine, person, draft, seen_sha256(draft))


def begin(scene: Scene) -> str:
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.do(run, "plan")
    return run


def granted(scene: Scene, person: Person) -> str:
    """A run whose plan a grant approved."""
    give(scene, person)
    run = begin(scene)
    assert ask_approval(scene.engine, AGENT, run, "plan").ok
    assert found(scene) == set()
    return run


def found(scene: Scene) -> set[tuple[str, str]]:
    return {(one.code, one.message) for one in verify(scene.engine).findings}


def use_unasked(
    scene: Scene, run: str, row: str = "1", lie: Mapping[str, object] | None = None, by: By = GRANTED
) -> None:
    """A program of the agent uses the grant for what is to be decided now; it asks nothing."""
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    use = partial(_use_with, plain(view) | dict(lie or {}), sealed=True, row=row)
    approvals.decide(scene.engine, by, run, "plan", grant=use)


def faults(scene: Scene) -> list[str]:
    return [message for code, message in sorted(found(scene)) if code == "grant_unproven"]


@pytest.mark.attack("an agent approves through the engine, in the name of a grant that is not there", "detected", "T1")
def test_an_approval_in_the_name_of_no_grant_is_found(scene: Scene, person: Person) -> None:
    run = begin(scene)
    approvals.decide(scene.engine, GRANTED, run, "plan")
    assert faults(scene) == ["there is no grant None"]


@pytest.mark.attack(
    "an agent approves through the engine, in the name of a grant that it did not use", "detected", "T1"
)
def test_an_approval_that_no_use_counts_is_found(scene: Scene, person: Person) -> None:
    give(scene, person)
    run = begin(scene)
    approvals.decide(scene.engine, GRANTED, run, "plan", grant=_named_alone)
    assert faults(scene) == ["it is no use of grant g-1 that counts"]


@pytest.mark.attack(
    "an agent decides anything else through the engine, in the name of a grant that it used", "detected", "T1"
)
@pytest.mark.parametrize(("move", "name"), [(control.retry, "plan"), (approvals.reject, "build")])
def test_a_grant_does_nothing_but_approve(scene: Scene, person: Person, move: Any, name: str) -> None:
    run = granted(scene, person)
    scene.do(run, "build")
    move(scene.engine, GRANTED, run, name, "again")
    assert "decision_unsigned" in {code for code, _ in found(scene)}


@pytest.mark.attack("a use of a grant is said to be of another person, or of a passkey", "detected", "T1")
@pytest.mark.parametrize(
    "by", [replace(GRANTED, actor="grant g-1 of bob"), replace(GRANTED, assurance=Assurance.PASSKEY)]
)
def test_a_use_is_of_the_person_who_gave_the_grant(scene: Scene, person: Person, by: By) -> None:
    give(scene, person)
    run = begin(scene)
    use_unasked(scene, run, by=by)
    assert faults(scene) == ["it names another caller than grant g-1"]


@pytest.mark.attack("the use of a grant is said to be of another run", "detected", "T1")
def test_a_use_counts_in_its_own_run_alone(scene: Scene, person: Person) -> None:
    granted(scene, person)
    second = begin(scene)
    approvals.decide(scene.engine, GRANTED, second, "plan", grant=_named_alone)
    assert faults(scene) == ["it is no use of grant g-1 that counts"]


@pytest.mark.attack("the condition, the uses or the end of a grant is edited in the database", "detected", "T1")
@pytest.mark.parametrize("edit", [{"when": "${true}"}, {"uses": 1000}, {"expires_at": "2999-01-01T00:00:00+00:00"}])
def test_a_grant_that_was_edited_is_found(
    scene: Scene, person: Person, forger: Forger, edit: dict[str, object]
) -> None:
    give(scene, person)
    name, text = _kept(forger)
    changed = json.dumps(json.loads(text) | edit, separators=(",", ":"), sort_keys=True).replace("'", "''")
    forger.do(f"UPDATE secret SET value = '{changed}' WHERE name = '{name}'")
    assert "secret_replaced" in {code for code, _ in found(scene)}


@pytest.mark.attack("an agent writes a grant into the settings, with a log that fits", "detected", "T1")
def test_a_grant_that_no_person_signed_is_found(scene: Scene, person: Person) -> None:
    grant = give(scene, person)
    with scene.store.tx() as tx:
        text = json.dumps({"id": "g-2", "template": grant.template})
        agent = By("ada", Channel.CLI, Assurance.HUMAN)
        tx.secrets.set(f"grant:{scene.engine.project_id}:g-2", text, agent, scene.clock())
    assert "decision_unsigned" in {code for code, _ in found(scene)}


HOSTILE = [
    '{"id":"g-x"}',
    "{",
    '{"id":"g-9"}',
    json.dumps(
        dict.fromkeys(("id", "template", "template_sha256", "phase", "when", "given_at", "expires_at"), "g-x")
        | {"uses": 1}
    ),
]


@pytest.mark.attack("a grant, or a use of one, that cannot be read is written into the settings", "detected", "T1")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_row_that_cannot_be_read_stops_no_one(scene: Scene, person: Person, text: str) -> None:
    give(scene, person)
    with scene.store.tx() as tx:
        for name in ("grant:{}:g-x", "grant-used:{}:g-1:x"):
            tx.secrets.set(name.format(scene.engine.project_id), text, AGENT, scene.clock())
    assert [grant.id for grant in grant_list(scene.engine).grants] == ["g-1"]
    assert ask_approval(scene.engine, AGENT, begin(scene), "plan").ok
    assert "decision_unsigned" in {code for code, _ in found(scene)}
    assert "the uses of grant g-1 are not counted one by one" in faults(scene)


@pytest.mark.attack(
    "an agent's own program uses a grant at another gate, or once more than was signed", "detected", "T1"
)
def test_a_granted_approval_at_another_gate_is_found(scene: Scene, person: Person) -> None:
    run = granted(scene, person)
    scene.do(run, "build")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "build")
    assert view is not None
    approvals.decide(scene.engine, GRANTED, run, "build", grant=partial(_use_with, plain(view), sealed=True))
    assert "grant g-1 is about another phase, or another version of the template" in faults(scene)


@pytest.mark.attack("an agent's own program stores another decision as what a grant saw", "detected", "T1")
@pytest.mark.parametrize(
    "lie", [{"unusual": []}, {"unusual": [], "changes": [{"since": "the run began"}]}, {"attempt": 7}]
)
@pytest.mark.parametrize("sealed", [True, False])
def test_what_a_grant_saw_follows_from_the_log(
    scene: Scene, person: Person, lie: dict[str, object], sealed: bool
) -> None:
    give(scene, person, "${true}")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    scene.write("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--co'\n")
    scene.submit(run, "plan")
    assert "pyproject.toml" in ask_approval(scene.engine, AGENT, run, "plan").data["grants"]["g-1"]
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    shown = plain(view) | lie
    use = partial(_use_with, shown, sealed=sealed)
    approvals.decide(scene.engine, GRANTED, run, "plan", grant=use)
    assert {"grant_unproven", "shown_differs"} & {code for code, _ in found(scene)}


@pytest.mark.attack(
    "an agent's own program leaves out of what a grant saw that a file is a link now, or ignored", "detected", "T1"
)
@pytest.mark.parametrize("name", [".env", "app.py"])
def test_what_is_unusual_about_the_files_follows_from_them(scene: Scene, person: Person, name: str) -> None:
    give(scene, person, "${true}")
    scene.write(".gitignore", ".env\n")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    (scene.root / name).unlink(missing_ok=True)
    (scene.root / name).symlink_to("/etc/hosts")
    scene.submit(run, "plan")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert name in view.unusual[0].text
    use_unasked(scene, run, lie={"unusual": []})
    assert faults(scene)


@pytest.mark.attack("an agent's own program leaves an ignored file out of what a grant saw", "detected", "T1")
def test_the_ignored_files_that_a_grant_saw_follow_from_the_log(scene: Scene, person: Person) -> None:
    give(scene, person, "${true}")
    scene.write(".gitignore", ".env\n")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    scene.write(".env", "PYTHONPATH=elsewhere\n")
    scene.submit(run, "plan")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    (change,) = plain(view)["changes"]
    assert change.pop("watched")
    use_unasked(scene, run, lie={"unusual": [], "changes": [change]})
    assert "shown_differs" in {code for code, _ in found(scene)}


@pytest.mark.attack("the template inside a granted one is changed to what no person granted", "held", "T1")
def test_no_grant_approves_in_a_template_whose_bytes_it_does_not_name(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()), name="inner")
    scene.define({"id": "release", "kind": "flow", "template": "inner"}, phase("build", approval()))
    until = scene.clock() + timedelta(hours=1)
    no = refused(draft_grant, scene.engine, "drill", "release.plan", "${true}", 1, until)
    assert "it is of another template that runs inside this one" in no.message
    assert draft_grant(scene.engine, "drill", "build", "${true}", 1, until).phase == "build"


@pytest.mark.attack("a file that the condition does not allow is renamed into a folder that it allows", "held", "T1")
def test_a_rename_hides_no_file(scene: Scene, person: Person) -> None:
    give(scene, person, "${change.files.all(f, f.path.startsWith('docs/'))}")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    (scene.root / "docs").mkdir()
    (scene.root / "app.py").rename(scene.root / "docs" / "app.py")
    scene.submit(run, "plan")
    assert ask_approval(scene.engine, AGENT, run, "plan").data["grants"] == {"g-1": "its condition is false"}


@pytest.mark.attack("an agent withdraws what it submitted until a grant fits", "held", "T1")
def test_what_was_withdrawn_is_for_the_person(scene: Scene, person: Person) -> None:
    give(scene, person, uses=5)
    run = begin(scene)
    approvals.withdraw(scene.engine, AGENT, run, "plan", "The reviewer may like another one.")
    scene.do(run, "plan")
    assert ask_approval(scene.engine, AGENT, run, "plan").data["grants"]["g-1"] == TAKEN_BACK
    use_unasked(scene, run)
    assert faults(scene) == [f"grant g-1 does not approve it: {TAKEN_BACK}"]


@pytest.mark.attack("an agent rolls back what it submitted until a grant fits", "held", "T1")
def test_what_was_rolled_back_while_it_waited_is_for_the_person(scene: Scene, person: Person) -> None:
    give(scene, person, "${attempt > 1}", uses=5)
    run = begin(scene)
    assert ask_approval(scene.engine, AGENT, run, "plan").data["grants"]["g-1"] == "its condition is false"
    rollback(scene.engine, AGENT, run, "plan")
    scene.do(run, "plan")
    assert ask_approval(scene.engine, AGENT, run, "plan").data["grants"]["g-1"] == TAKEN_BACK
    use_unasked(scene, run)
    assert faults(scene) == [f"grant g-1 does not approve it: {TAKEN_BACK}"]


@pytest.mark.attack("the clock is set back, so that a grant that has ended counts", "detected", "T1")
def test_a_use_before_its_grant_was_given_is_found(scene: Scene, person: Person) -> None:
    give(scene, person)
    scene.clock.advance(hours=-2)
    run = begin(scene)
    ask_approval(scene.engine, AGENT, run, "plan")
    assert faults(scene) == ["grant g-1 was not in force then"]


@pytest.mark.attack("the clock is set back, and a grant is used that the person had ended", "detected", "T1")
def test_a_use_after_its_grant_was_ended_is_found_whatever_the_clock_says(scene: Scene, person: Person) -> None:
    give(scene, person)
    run = begin(scene)
    scene.clock.advance(seconds=60)
    end_grant(scene.engine, person, "g-1")
    scene.clock.advance(seconds=-30)
    assert not ask_approval(scene.engine, AGENT, run, "plan").ok
    use_unasked(scene, run)
    assert faults(scene) == ["grant g-1 was not in force then"]


@pytest.mark.attack("an agent's own program counts two uses of a grant as the same one", "detected", "T1")
@pytest.mark.parametrize("row", ["1-again", "2"])
def test_uses_are_counted_one_by_one(scene: Scene, person: Person, row: str) -> None:
    granted(scene, person)
    use_unasked(scene, begin(scene), row)
    assert set(faults(scene)) == {"the uses of grant g-1 are not counted one by one"}


def test_what_a_grant_approves_is_new_to_the_person(scene: Scene, person: Person) -> None:
    visit = {scene.engine.project_id: scene.clock() - timedelta(hours=1)}
    run = granted(scene, person)
    (line,) = news(scene.engine, visit).runs
    assert line.run == run
    assert line.run == run
    assert line.events > 5


def test_what_was_edited_before_a_grant_approves_is_not_ascribed_to_the_person(scene: Scene, person: Person) -> None:
    give(scene, person)
    run = begin(scene)
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"title": "Edited"}')
    assert refused(ask_approval, scene.engine, AGENT, run, "plan").code == "stale_revision"
    assert found(scene) == set()
    with scene.store.read() as tx:
        assert {str(event.channel) for event in tx.events.of_run(scene.engine.load(tx, run).record.id)} == {
            "mcp",
            "system",
        }


def test_a_grant_that_was_ended_in_the_second_of_its_use_was_in_force_then(scene: Scene, person: Person) -> None:
    give(scene, person)
    run = begin(scene)
    scene.clock.advance(milliseconds=100)
    assert ask_approval(scene.engine, AGENT, run, "plan").ok
    scene.clock.advance(milliseconds=100)
    end_grant(scene.engine, person, "g-1")
    assert found(scene) == set()


def _kept(forger: Forger) -> tuple[str, str]:
    ((name, text),) = forger.read("SELECT name, value FROM secret WHERE name LIKE 'grant:%'")
    return name, text


def _use_with(
    shown: dict[str, object], current: RunChange, path: PhasePath, *, sealed: bool, row: str = "1"
) -> dict[str, str]:
    """Use ``g-1`` for the first time, as a program that calls the engine could; ``shown``: what it says that the grant saw."""
    attempt, document = current.attempt(path), current.tx.documents.keep(shown)
    if sealed:
        current.tx.seals.keep_shown(current.run.id, document)
    project = current.run.project_id
    use = GrantUse(
        1, current.run.id, path, attempt.number, attempt.gate, attempt.sha256 or "", document, current.at.isoformat()
    )
    current.tx.secrets.set(f"grant-used:{project}:g-1:{row}", canonical_json(asdict(use)), SYSTEM, current.at)
    return {"grant": "g-1", "comment": "use 1 of 1"}


def _named_alone(*_: object) -> dict[str, str]:
    """The grant is named, and not used."""
    return {"grant": "g-1"}
