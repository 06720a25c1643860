"""The first passkey of a project needs the PIN; each later one needs a pinned key."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from webauthn.helpers import bytes_to_base64url as text

from tests.dashboard.browser import PIN, WRONG, Browser
from tests.dashboard.soft_key import PRESENT, Signer, SoftKey, nothing_installed
from tests.engine.approvals.people import another
from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.approvals.approvers import (
    APPROVERS,
    PinnedChain,
    approvers_here,
    chain_of,
    pin_change,
    pin_person,
    pinned_here,
    trust_key,
)
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.views.approvals.approvers import approvers_path


@pytest.fixture
def person(scene: Scene, browser: Browser) -> Signer:
    return Signer(browser, "/" + approvers_path(scene.engine))


def names(scene: Scene) -> list[str]:
    return [key.name for key in pinned_here(scene.engine, scene.root).keys.values()]


def test_the_first_key_is_added_with_the_pin(scene: Scene, person: Signer) -> None:
    answer = person.pin(SoftKey("laptop"))
    assert (answer.status, names(scene)) == (200, ["laptop"])
    assert "laptop, since" in answer.words
    assert "pinned by PIN" in answer.words
    file = json.loads((scene.root / APPROVERS).read_text(encoding="utf-8"))
    assert [change["do"] for change in file["changes"]] == ["add"]


def test_a_wrong_pin_lets_no_key_in(scene: Scene, person: Signer) -> None:
    answer = person.pin(SoftKey("laptop"), pin=WRONG)
    assert (answer.status, "Wrong PIN" in answer.words) == (403, True)
    assert 'name="name" value="laptop"' in answer.text, "what was typed is there for the next try"
    assert not (scene.root / APPROVERS).exists()


def test_a_second_key_is_added_with_the_first(scene: Scene, person: Signer) -> None:
    first = SoftKey("laptop")
    person.pin(first)
    answer = person.pin(SoftKey("phone"), by=first, pin="")
    assert (answer.status, names(scene)) == (200, ["laptop", "phone"])
    assert "pinned by laptop" in answer.words


def test_what_passkeys_changed_is_no_difference_from_the_record(scene: Scene, person: Signer) -> None:
    first, second = SoftKey("laptop"), SoftKey("phone")
    person.pin(first)
    person.pin(second, by=first)
    person.remove(first, by=second)
    assert verify(scene.engine).findings == ()


@pytest.mark.attack("a trust of other approvers is written into the log in a passkey's name", "detected", "T1")
def test_trust_in_a_passkeys_name_that_no_signed_change_led_to_is_named(scene: Scene, person: Signer) -> None:
    first = SoftKey("laptop")
    person.pin(first)
    person.pin(SoftKey("phone"), by=first)
    robot = By("laptop", Channel.PASSKEY, Assurance.PASSKEY)
    for sha256 in ("0" * 64, PinnedChain(approvers_here(scene.root).changes[:1]).sha256):
        with scene.store.tx() as tx:
            tx.trust.give(scene.engine.project_id, trust_key(), sha256, robot, scene.engine.clock())
    assert {each.code for each in verify(scene.engine).findings} == {"decision_unsigned"}
    (scene.root / APPROVERS).unlink()
    assert "decision_unsigned" in {each.code for each in verify(scene.engine).findings}


@pytest.mark.attack("a passkey of the agent's own is pinned with the PIN alone, beside the person's", "held", "T1")
def test_the_pin_lets_no_second_key_in(scene: Scene, person: Signer) -> None:
    person.pin(SoftKey("laptop"))
    answer = person.pin(SoftKey("robot"), pin=PIN)
    assert answer.status == 400
    stranger = SoftKey("stranger")
    assert person.pin(SoftKey("robot"), by=stranger).status == 403
    assert names(scene) == ["laptop"]


def test_a_key_goes_by_the_word_of_one_that_stays_and_the_last_one_stays(scene: Scene, person: Signer) -> None:
    first, second = SoftKey("laptop"), SoftKey("phone")
    person.pin(first)
    person.pin(second, by=first)
    assert person.remove(first, by=second).status == 200
    assert names(scene) == ["phone"]
    assert not any("/remove" in path for path in person.browser.get(person.place).forms)
    assert person.pin(SoftKey("tablet"), by=first).status == 403, "a key that went lets nothing in"


def test_where_no_passkey_is_pinned_a_key_is_removed_with_the_pin(scene: Scene, person: Signer) -> None:
    ada, mine = pin.person_at_page(scene.engine, PIN, "ada"), pin.own_key(scene.engine)
    assert mine is not None
    pin_person(scene.engine, ada, pin.person_key("ada", mine.public_key))
    another(scene, ada, "bob")
    seen = person.browser.get(person.place)
    remove = next(path for path in seen.forms if "/remove?" in path)
    assert "pin" in seen.forms[remove]
    status, asked = person.ask(seen, remove, remove.replace("/remove?", "/remove/sign?"))
    assert (status, asked["options"]) == (200, None)
    typed = {"ceremony": asked["ceremony"], "pin": PIN}
    assert person.browser.send(seen, remove, **typed).status == 200
    assert [key.name for key in approvers_here(scene.root).keys.values()] == ["ada"]
    assert verify(scene.engine).findings == ()


def test_two_keys_of_one_person_have_the_same_name(scene: Scene, person: Signer) -> None:
    first = SoftKey("ada")
    person.pin(first)
    person.pin(SoftKey("ada"), by=first)
    assert [key.name for key in approvers_here(scene.root).keys.values()] == ["ada", "ada"]
    with pytest.raises(AssertionError, match="is not a valid name for a key"):
        person.pin(SoftKey(" "))


def test_a_key_that_was_made_for_another_page_or_without_the_person_is_not_taken(scene: Scene, person: Signer) -> None:
    with pytest.raises(AssertionError, match="is not accepted"):
        person.pin(SoftKey("laptop", party="example.org"))
    with pytest.raises(AssertionError, match="is not accepted"):
        person.pin(SoftKey("laptop", flags=PRESENT))
    assert not (scene.root / APPROVERS).exists()


def test_a_step_counts_once_and_for_the_browser_that_took_it(scene: Scene, person: Signer) -> None:
    seen = person.browser.get(person.place)
    add = next(path for path in seen.forms if "/add?" in path)
    _, asked = person.ask(seen, add, add.replace("/add?", "/add/key?"), name="laptop")
    made = {
        "name": "laptop",
        "key": SoftKey("laptop").create(asked["options"], person.origin),
        "ceremony": asked["ceremony"],
    }
    assert person.ask(seen, add, add.replace("/add?", "/add/sign?"), **made)[0] == 200
    assert person.ask(seen, add, add.replace("/add?", "/add/sign?"), **made)[0] == 409, "that key was taken already"
    other = Signer(Browser(person.browser.port), person.place)
    assert other.ask(seen, add, add.replace("/add?", "/add/key?"), name="x")[0] == 403, "the form is another browser's"


@pytest.mark.attack("a key is written into the file of approvers without a signature", "held", "T1")
def test_a_key_that_was_written_in_manually_makes_the_file_void(scene: Scene, person: Signer) -> None:
    person.pin(SoftKey("laptop"))
    robot = SoftKey("robot")
    file = json.loads((scene.root / APPROVERS).read_text(encoding="utf-8"))
    mine = json.loads(json.dumps(file["changes"][0]))
    mine["key"] |= {"id": "AAAA", "name": robot.name}
    file["changes"].append(mine)
    scene.write(APPROVERS, json.dumps(file, indent=2, sort_keys=True) + "\n")
    no = refused(approvers_here, scene.root)
    assert (no.code, "not signed by a key that was pinned before" in no.message) == ("conflict", True)
    answer = person.browser.get(person.place)
    assert "not signed by a key" in answer.words
    assert answer.forms == {}


def edited(scene: Scene, edit: Callable[[list[dict[str, Any]]], object]) -> str:
    """What is said of the file once someone has edited its changes, spelled as we would."""
    file = json.loads((scene.root / APPROVERS).read_text(encoding="utf-8"))
    edit(file["changes"])
    raw = json.dumps(file, indent=2, sort_keys=True).encode() + b"\n"
    return refused(chain_of, raw).message


def test_each_change_is_judged_by_the_keys_before_it(scene: Scene, person: Signer) -> None:
    first = SoftKey("laptop")
    person.pin(first)
    person.pin(SoftKey("phone"), by=first)
    assert "is not signed by 'laptop'" in edited(scene, lambda changes: changes[1].update(at="2020-01-01"))
    assert "adds a key that is there" in edited(scene, lambda changes: changes.append(changes[1]))
    assert "removes a key that is not there" in edited(scene, lambda changes: changes[0].update(do="remove"))
    assert "would leave no key" in edited(
        scene, lambda changes: (changes.pop(), changes.append(changes[0] | {"do": "remove"}))
    )
    assert "is the first, and no earlier key signed it" in edited(
        scene, lambda changes: changes[0].update(signed_by="AAAA")
    )
    assert "not spelled as" in refused(chain_of, (scene.root / APPROVERS).read_bytes() + b"\n").message


def test_of_two_changes_at_once_the_second_is_asked_to_reload(scene: Scene, person: Signer) -> None:
    person.pin(SoftKey("laptop"))
    pinned = pinned_here(scene.engine, scene.root)
    change = pinned.changes[0]
    no = refused(pin_change, scene.engine, HUMAN, PinnedChain(), change)
    assert no.code == "stale_revision"
    assert names(scene) == ["laptop"]


@pytest.mark.attack("the file of approvers is exchanged for one that begins with the agent's key", "held", "T1")
def test_a_file_that_begins_with_another_key_counts_only_once_it_is_trusted(scene: Scene, person: Signer) -> None:
    person.pin(SoftKey("laptop"))
    mine = (scene.root / APPROVERS).read_text(encoding="utf-8")
    file = json.loads(mine)
    file["changes"][0]["key"]["name"] = "robot"
    scene.write(APPROVERS, json.dumps(file, indent=2, sort_keys=True) + "\n")
    assert chain_of((scene.root / APPROVERS).read_bytes())
    assert refused(pinned_here, scene.engine, scene.root).code == "needs_trust"
    assert "is not trusted" in person.browser.get(person.place).words
    scene.write(APPROVERS, mine.replace("\n", "\r\n"))
    assert names(scene) == ["laptop"], "git may give it other line ends"


@pytest.mark.parametrize(
    "raw", ["{", "[]", '{"format": "wfe-approvers/2", "changes": []}', '{"format": "wfe-approvers/1", "changes": []}']
)
def test_a_file_that_is_none_is_reported(scene: Scene, raw: str) -> None:
    scene.write(APPROVERS, raw)
    assert refused(approvers_here, scene.root).code == "conflict"


def test_a_file_that_is_gone_is_reported_before_anyone_restarts(scene: Scene, person: Signer) -> None:
    person.pin(SoftKey("laptop"))
    (scene.root / APPROVERS).unlink()
    assert "their file is missing" in person.browser.get(person.place).words


def test_a_project_or_folder_that_is_none_is_not_there(scene: Scene, person: Signer) -> None:
    other = scene.root.parent / "other"
    other.mkdir()
    for path in (
        "/approvers/p-0?in=/",
        f"/approvers/{scene.engine.project_id}?in={other}",
        f"/approvers/{scene.engine.project_id}?in=x",
    ):
        assert person.browser.get(path).status == 404
        assert person.browser.post(path.replace("?", "/add?"), {}, Origin=person.origin).status == 404


def test_without_the_extra_the_page_says_how_to_get_it(
    scene: Scene, person: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SoftKey("laptop")
    person.pin(first)
    person.pin(SoftKey("phone"), by=first)
    opened = person.browser.get(person.place)
    monkeypatch.setattr("wfe_mcp.engine.approvals.passkeys.find_spec", nothing_installed)
    assert "wfe-mcp[passkey]" in person.browser.get(person.place).words
    for do, step in (("add", "key"), ("remove", "sign")):
        form = next(path for path in opened.forms if f"/{do}?" in path)
        status, said = person.ask(
            opened, form, form.replace(f"/{do}?", f"/{do}/{step}?"), name="tablet", id=text(first.id)
        )
        assert (status, "wfe-mcp[passkey]" in str(said)) == (503, True), said


def test_a_worktree_of_the_project_has_its_own_file(scene: Scene, browser: Browser) -> None:
    scene.git("worktree", "add", "-q", str(scene.root.parent / "tree"))
    place = "/" + approvers_path(scene.engine).replace("%2Fproject", "%2Ftree")
    assert Signer(browser, place).pin(SoftKey("laptop")).status == 200
    assert (scene.root.parent / "tree" / APPROVERS).exists()
    assert not (scene.root / APPROVERS).exists()
