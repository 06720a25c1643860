"""A passkey decides exactly what it signed, also where a PIN is not accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
from webauthn.helpers import bytes_to_base64url as text

from tests.dashboard.browser import PIN, Answer, Browser, asked, last
from tests.dashboard.soft_key import PRESENT, Signer, SoftKey, at_page
from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.core.model import Assurance, Channel, Person
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.approvers import APPROVERS
from wfe_mcp.engine.approvals.passkey_decisions import person_by_passkey, statement_to_sign
from wfe_mcp.engine.approvals.passkeys import Assertion, challenge
from wfe_mcp.engine.approvals.proof_files import read_proof
from wfe_mcp.engine.approvals.statements import PASSKEY, Statement
from wfe_mcp.engine.background.daemon import tend_open_runs
from wfe_mcp.views.approvals.approvers import approvers_path
from wfe_mcp.views.approvals.request import decision_view


@pytest.fixture
def key() -> SoftKey:
    return SoftKey("laptop")


@pytest.fixture
def person(scene: Scene, browser: Browser, key: SoftKey) -> Signer:
    """Someone whose key is pinned."""
    made = Signer(browser, "/" + approvers_path(scene.engine))
    assert made.pin(key).status == 200
    return made


TORN = '{"id": "!", "response": {"clientDataJSON": "AA", "authenticatorData": "AA", "signature": "AA"}}'


def waiting(scene: Scene, *gates: dict[str, object], **keys: object) -> tuple[str, str]:
    run = scene.start(phase("plan", *(gates or (approval("passkey"),)), **keys))
    scene.do(run, "plan")
    return run, asked(scene, run)


def proofs(scene: Scene) -> list[Path]:
    return sorted((scene.root / ".wfe" / "approvals").rglob("*.json"))


def said_in(file: Path) -> Statement:
    """The statement in a proof."""
    proof = read_proof(file.read_bytes())
    assert proof is not None
    assert proof.is_by_passkey
    return proof.statement


def undecided(scene: Scene, run: str, request: str) -> bool:
    with scene.store.read() as tx:
        return tx.approvals.decision(request) is None and last(scene, run).status == "awaiting" and proofs(scene) == []


def no(answer: Answer, status: int, words: str) -> bool:
    return answer.status == status and words in answer.words


def test_a_gate_for_a_passkey_is_approved_with_one(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    answer = person.decide(key, request, comment="well done")
    assert answer.status == 200
    assert "Approved by laptop (passkey)" in answer.words
    assert last(scene, run).status == "completed"
    (file,) = proofs(scene)
    assert file.relative_to(scene.root).as_posix() == f".wfe/approvals/{run}/plan/1-{request}.json"
    result = said_in(file).values
    (decision,) = result["decision"]
    assert (result["kind"], result["run"], result["project"], result["key"]) == (
        "approve",
        run,
        scene.engine.project_id,
        PASSKEY,
    )
    assert (decision["do"], decision["phase"], decision["attempt"], decision["gate"]) == ("approve", "plan", 1, 0)
    assert (result["request"]["id"], result["artifact"], result["comment"]) == (
        request,
        last(scene, run).sha256,
        "well done",
    )
    assert [gate["assurance"] for gate in result["gates"]] == ["passkey"]


def test_the_signed_statement_names_the_log_as_it_was_when_it_was_shown(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    run, request = waiting(scene)
    with scene.store.read() as tx:
        before = scene.engine.load(tx, run).record
    person.decide(key, request)
    (file,) = proofs(scene)
    assert said_in(file).position("request") == (before.last_seq, before.last_hash)
    assert said_in(file).values["log"] == {}, "a passkey signs before the decision"


def test_the_log_has_the_whole_signature_and_the_file_is_the_same(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    person.decide(key, request)
    with scene.store.read() as tx:
        events = list(tx.events.log(scene.engine.load(tx, run).record.id))
        decision = tx.approvals.decision(request)
    (given,) = [one for one in events if one.type == "ApprovalGiven"]
    (signed,) = [one for one in events if one.type == "DecisionSigned"]
    assert {(one.channel, one.assurance) for one in (given, signed)} == {(Channel.PASSKEY, Assurance.PASSKEY)}
    kept = json.loads(proofs(scene)[0].read_text(encoding="utf-8"))
    assert kept["statement"] == json.loads(signed.payload["statement"])
    assert kept["signature"] == json.loads(signed.payload["signature"])
    assert set(kept["signature"]) == {"id", "client_data", "authenticator_data", "signature"}
    assert decision is not None
    assert (decision.actor, decision.channel) == ("laptop", Channel.PASSKEY)


@pytest.mark.attack("a gate that takes a passkey is approved with the PIN", "held", "T1")
def test_the_signed_statement_names_what_was_shown(scene: Scene, person: Signer, key: SoftKey) -> None:
    _, request = waiting(scene)
    shown = decision_view(scene.engine, request).shown_sha256
    person.decide(key, request)
    (kept_file,) = proofs(scene)
    assert json.loads(kept_file.read_text())["statement"]["shown"] == shown != ""


def test_a_pin_alone_is_not_enough(scene: Scene, person: Signer) -> None:
    run, request = waiting(scene)
    path = f"/decide/{request}"
    seen = person.browser.get(path)
    assert "pin" not in seen.forms[f"{path}/approve"]
    assert no(person.browser.send(seen, f"{path}/approve", pin=PIN), 403, "a PIN alone is not enough")
    answer = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (answer.code, "A PIN is not enough" in answer.hint) == ("needs_human", True)
    assert undecided(scene, run, request)


def test_a_person_rejects_with_a_passkey_or_with_the_pin(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    answer = person.decide(key, request, "reject", feedback="say more")
    assert "Rejected by laptop (passkey)" in answer.words
    assert "say more" in str(scene.begin(run, "plan").data["feedback"])
    assert proofs(scene) == [], "nothing is merged on a no"
    with scene.store.read() as tx:
        (signed,) = tx.events.of_types(scene.engine.load(tx, run).record.id, "DecisionSigned")
    assert json.loads(signed.payload["statement"])["kind"] == "reject"
    scene.submit(run, "plan")
    assert "Rejected by" in person.browser.reject(asked(scene, run), PIN).words


def test_a_passkey_is_more_than_enough_where_a_pin_would_do(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene, approval())
    assert person.decide(key, request).status == 200
    assert last(scene, run).status == "completed"


def test_the_page_says_what_a_signature_would_be_about(scene: Scene, person: Signer) -> None:
    scene.check("ok", "print('fine')")
    run, request = waiting(scene, command("ok"), approval("passkey"))
    answer = person.browser.get(f"/decide/{request}")
    for lines in (run, last(scene, run).sha256, "A good title", "exit code", "the signature of a passkey: laptop"):
        assert str(lines) in answer.words
    assert answer.headers["content-security-policy"].endswith("script-src 'self'; connect-src 'self'")
    assert '<script src="/passkey.js" defer>' in answer.text


def test_without_a_key_the_page_says_how_to_get_one_and_runs_no_script(scene: Scene, browser: Browser) -> None:
    _, request = waiting(scene)
    answer = browser.get(f"/decide/{request}")
    assert "wfe-mcp approvers add" in answer.words
    assert "script" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text


def test_keys_that_no_one_trusts_as_they_are_sign_nothing(scene: Scene, person: Signer) -> None:
    _, request = waiting(scene)
    scene.write(APPROVERS, (scene.root / APPROVERS).read_text(encoding="utf-8").replace("laptop", "robot"))
    assert "wfe-mcp trust approvers" in person.browser.get(f"/decide/{request}").words


def test_the_phrase_is_asked_for_beside_the_signature(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene, approval("passkey", phrase="ship it"))
    assert person.decide(key, request, phrase="ship").status == 400
    assert undecided(scene, run, request)
    assert person.decide(key, request, phrase="ship it").status == 200


@pytest.mark.attack("an approval is signed by a key that is not pinned", "held", "T1")
def test_another_key_decides_nothing(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    assert no(person.decide(SoftKey("robot"), request), 403, "not pinned")
    pretender = SoftKey("robot", id=key.id)
    assert no(person.decide(pretender, request), 403, "does not hold")
    page, question = person.asked(request)
    assert person.pin(SoftKey("phone"), by=key).status == 200
    signature = key.get(question["options"], person.origin)
    changed = person.send(page, request, question["ceremony"], signature)
    assert no(changed, 403, "the pinned keys have changed meanwhile")
    assert undecided(scene, run, request)


@pytest.mark.attack("a signature is sent again, for another request", "held", "T1")
def test_a_signature_counts_for_what_it_was_asked_for_and_once(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, first = waiting(scene)
    page, question = person.asked(first)
    signature = key.get(question["options"], person.origin)
    _, second = waiting(scene)
    other, other_question = person.asked(second)
    assert no(person.send(other, second, other_question["ceremony"], signature), 403, "challenge")
    assert no(person.send(other, second, question["ceremony"], signature), 409, "belongs to no open challenge")
    assert no(person.send(page, first, question["ceremony"], signature), 409, "belongs to no open challenge"), (
        "it was taken"
    )
    assert undecided(scene, run, first)


def test_a_signature_made_elsewhere_or_without_the_person_does_not_count(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    run, request = waiting(scene)
    seen, question = person.asked(request)
    elsewhere = key.get(question["options"], "http://localhost:1")
    assert no(person.send(seen, request, question["ceremony"], elsewhere), 403, "origin")
    for broken in (SoftKey("a", key.secret, key.id, PRESENT), SoftKey("a", key.secret, key.id, party="example.org")):
        assert no(person.decide(broken, request), 403, "does not hold")
    assert undecided(scene, run, request)


@pytest.mark.parametrize(
    "sent", ["", "{", "[]", "{}", '{"id": "x", "response": 1}', '{"id": "!", "response": {}}', TORN, "[" * 15_000]
)
def test_what_is_no_signature_is_refused(scene: Scene, person: Signer, sent: str) -> None:
    run, request = waiting(scene)
    seen, question = person.asked(request)
    assert person.send(seen, request, question["ceremony"], sent or " ").status == 400
    assert undecided(scene, run, request)


@pytest.mark.attack("a copy of a passkey is used beside the real one", "held", "T1")
def test_a_key_whose_count_goes_back_is_refused(scene: Scene, person: Signer, key: SoftKey) -> None:
    key.count = 5
    _, first = waiting(scene)
    assert person.decide(key, first).status == 200
    copy = SoftKey("copy", key.secret, key.id, count=3)
    run, second = waiting(scene)
    assert no(person.decide(copy, second), 403, "sign count")
    assert last(scene, run).status == "awaiting"
    assert person.decide(key, second).status == 200


@pytest.mark.attack("the artifact is changed between a signature and its arrival", "held", "T1")
def test_what_was_signed_is_what_is_decided(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    seen, question = person.asked(request)
    signature = key.get(question["options"], person.origin)
    approvals.withdraw(scene.engine, AGENT, run, "plan", "I know better")
    scene.do(run, "plan", {"title": "Something else"})
    late = person.send(seen, request, question["ceremony"], signature)
    assert no(late, 409, "Nothing was decided")
    assert last(scene, run).status == "awaiting"
    assert proofs(scene) == []


def test_an_edit_that_is_found_when_the_signature_arrives_takes_the_proof_back(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    run, request = waiting(scene)
    mirror = scene.mirror(run, "plan", 1, "artifact.json")
    mirror.write_text(json.dumps({"title": "Mine is better"}), encoding="utf-8")
    assert no(person.decide(key, request), 409, "was edited")
    assert proofs(scene) == []


def test_who_was_interrupted_between_proof_and_decision_signs_again(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    seen, question = person.asked(request)
    assert question["options"]["userVerification"] == "required"
    scene.write(f".wfe/approvals/{run}/plan/1-{request}.json", "half of a pro")
    assert last(scene, run).status == "awaiting"
    assert person.decide(key, request).status == 200
    assert said_in(proofs(scene)[0]).values["request"]["id"] == request
    again = person.send(seen, request, question["ceremony"], key.get(question["options"], person.origin))
    assert no(again, 409, "Nothing was decided")
    assert len(proofs(scene)) == 1, "the proof of the decision that counts stays"


def test_of_two_tabs_the_quicker_one_decides_and_its_proof_stays(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    late, quick = (signed_for(scene, person, key, request)[0] for _ in range(2))
    answer: Any = {"comment": "well done", "request": request}
    approvals.decide(scene.engine, quick, run, "plan", **answer)
    before = proofs(scene)[0].read_bytes()
    assert refused(approvals.decide, scene.engine, late, run, "plan", **answer).code == "illegal_transition"
    assert [file.read_bytes() for file in proofs(scene)] == [before]


def signed_for(scene: Scene, person: Signer, key: SoftKey, request: str) -> tuple[Person, Statement]:
    """Who signed an approval of ``request``, not recorded yet."""
    with scene.store.read() as tx:
        stored = tx.approvals.get(request)
    assert stored is not None
    statement, _ = statement_to_sign(scene.engine, stored, "approve", at_page(person), comment="well done")
    signature = key.get({"challenge": text(challenge(statement.values))}, person.origin)
    assertion = Assertion.of_browser(json.loads(signature))
    return person_by_passkey(scene.engine, statement, assertion, at_page(person)), statement


@pytest.mark.attack("the signature of a passkey is used for another decision than the signed one", "held", "T1")
def test_anyone_who_signed_one_decision_decides_nothing_else(scene: Scene, person: Signer, key: SoftKey) -> None:
    run, request = waiting(scene)
    other, _ = waiting(scene)
    by, _ = signed_for(scene, person, key, request)
    for decided in (
        refused(approvals.decide, scene.engine, by, run, "plan", comment="ship it all"),
        refused(approvals.decide, scene.engine, by, other, "plan", comment="well done"),
    ):
        assert (decided.code, "not what the passkey signed" in decided.message) == ("stale_revision", True)
    assert undecided(scene, run, request)
    assert last(scene, other).status == "awaiting"
    assert refused(by.sign_text, "another text").code == "needs_human"
    approvals.decide(scene.engine, by, run, "plan", comment="well done")
    assert last(scene, run).status == "completed"


def test_a_proof_that_a_crash_kept_from_being_written_is_written_when_the_run_is_looked_after(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    run = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(run, "plan")
    person.decide(key, asked(scene, run))
    (file,) = proofs(scene)
    before = file.read_bytes()
    file.unlink()
    tend_open_runs(scene.process())
    assert file.read_bytes() == before


def test_the_proof_names_the_files_that_the_revision_wrote(scene: Scene, person: Signer, key: SoftKey) -> None:
    output = {"artifact": "doc", "schema": "markdown_doc@1", "write_to": "docs/${run.id}.md"}
    run = scene.start(phase("doc", approval("passkey"), output=output))
    scene.do(run, "doc", {"front": {}, "body": "Hello.\n"})
    assert person.decide(key, asked(scene, run, "doc")).status == 200
    bundle = {"artifact": "site", "schema": "file_bundle@1", "write_to": "out"}
    more = scene.start(phase("site", approval("passkey"), output=bundle))
    scene.do(more, "site", {"files": [{"path": "a/b.txt", "content": "x"}, {"path": "c.txt", "content": "y"}]})
    assert person.decide(key, asked(scene, more, "site")).status == 200
    named = [set(said_in(file).values["files"]) for file in proofs(scene)]
    assert {frozenset(each) for each in named} == {
        frozenset({f"docs/{run}.md"}),
        frozenset({"out/a/b.txt", "out/c.txt"}),
    }


def test_a_prompt_is_signed_before_the_work(scene: Scene, person: Signer, key: SoftKey) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval("passkey")]))
    request = asked(scene, run)
    assert person.decide(key, request).status == 200
    assert last(scene, run).status == "ready"
    answer = said_in(proofs(scene)[0]).values
    assert (answer["decision"][0]["stage"], answer["files"]) == ("before", {})


def test_words_that_nothing_can_keep_are_not_signed(scene: Scene, person: Signer) -> None:
    _, request = waiting(scene)
    path = f"/decide/{request}"
    status, answer = person.ask(person.browser.get(path), f"{path}/approve", f"{path}/approve/sign", comment="a\x00b")
    assert (status, "cannot be signed" in answer["error"]) == (400, True)


def test_nothing_is_asked_for_what_takes_no_answer_or_by_a_form_that_is_not_ours(
    scene: Scene, person: Signer, key: SoftKey
) -> None:
    _, request = waiting(scene)
    path = f"/decide/{request}"
    seen = person.browser.get(path)
    assert person.ask(seen, f"{path}/approve", f"{path}/reject/sign", feedback="no")[0] == 403
    assert person.ask(seen, f"{path}/reject", f"{path}/reject/sign")[0] == 400, "say what should change"
    assert person.decide(key, request).status == 200
    assert person.ask(seen, f"{path}/approve", f"{path}/approve/sign")[0] == 409
