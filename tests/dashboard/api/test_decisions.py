"""Decisions through the API: by the session of the page, with the PIN, on exactly what was shown."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG, asked
from tests.dashboard.test_diff_page import request_about_files
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.views.approvals import open_approval, shown_sha256
from wfe_mcp.views.envelopes import overview_of
from wfe_mcp.views.model import plain

PATH = "/decisions/{request}"


@pytest.fixture
def request_id(scene: Scene) -> str:
    return request_about_files(scene)


def run_of(scene: Scene, request: str) -> str:
    with scene.store.read() as tx:
        stored = tx.approvals.get(request)
    assert stored is not None
    return stored.run_id


def seen(person: Program, request: str) -> dict[str, str]:
    """What a decision on what is shown now sends along, besides the PIN."""
    data = person.get(PATH, {"request": request}).data
    return {"sha256": data["request"]["sha256"], "shown": data["shown_sha256"]}


def test_the_page_sees_what_the_terminal_shows(scene: Scene, person: Program, request_id: str) -> None:
    view = open_approval(scene.engine, overview_of(scene.engine, run_of(scene, request_id)), "plan")
    assert view is not None

    data = person.get(PATH, {"request": request_id}).data

    shown = data["shown"]
    for change in shown["changes"]:
        for file in change["files"]:
            for hunk in file.get("hunks", []):
                pieces = hunk.pop("pieces")
                assert ["".join(text for _, text in line) for line in pieces] == [line[1:] for line in hunk["lines"]]
    shown["artifact"].pop("parts")
    assert shown == plain(view)
    assert data["shown_sha256"] == shown_sha256(view)
    assert data["buttons"] == ["Approve", "Reject"]


def test_code_comes_in_colours_and_an_artifact_in_parts(person: Program, request_id: str) -> None:
    shown = person.get(PATH, {"request": request_id}).data["shown"]

    kept = next(file for file in shown["changes"][0]["files"] if file["path"] == "kept.py")
    assert ["k", "def"] in [piece for line in kept["hunks"][0]["pieces"] for piece in line]
    assert {part["kind"] for part in shown["artifact"]["parts"]} == {"fieldshown"}


def test_markdown_comes_as_blocks_never_as_html(scene: Scene, person: Program) -> None:
    document = {"artifact": "plan_doc", "schema": "markdown_doc@1"}
    run = scene.start(phase("plan", approval(), output=document))
    scene.do(run, "plan", {"front": {}, "body": "# Title\n\n<script>x</script> **bold**\n"})

    parts = person.get(PATH, {"request": asked(scene, run)}).data["shown"]["artifact"]["parts"]

    (shown,) = [part for part in parts if part["kind"] == "document"]
    assert [block["kind"] for block in shown["blocks"]] == ["heading", "paragraph"]
    texts = [span["text"] for span in shown["blocks"][1]["spans"]]
    assert texts == ["<script>x</script> ", "bold"]


def test_a_person_approves_what_was_shown(scene: Scene, person: Program, request_id: str) -> None:
    done = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, comment="good", **seen(person, request_id))

    assert (done.data["state"], done.data["answer"]["assurance"]) == ("answered", "human")
    with scene.store.read() as tx:
        decided = tx.approvals.decision(request_id)
    assert decided is not None
    assert (decided.approved, str(decided.channel), decided.comment) == (True, "dashboard", "good")
    assert scene.attempt(run_of(scene, request_id), "plan").status == "completed"
    again = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, sha256="x", shown="x")
    assert (again.status, again.code) == (409, "stale_revision")


def test_comments_on_lines_reach_the_agent_in_parts(scene: Scene, person: Program, request_id: str) -> None:
    run = run_of(scene, request_id)
    comments = [
        {"file": "kept.py", "line": 2, "text": "Return a number.\nNot a text."},
        {"file": "kept.py", "line": 2, "side": "old", "text": "This was right."},
    ]

    sent = person.post(
        f"{PATH}/reject",
        {"request": request_id},
        pin=PIN,
        feedback="Not yet.",
        comments=comments,
        **seen(person, request_id),
    )

    assert sent.data["state"] == "answered"
    claim = scene.begin(run, "plan").to_dict()["data"]
    (note,) = claim["feedback"]
    assert "Not yet." in note["message"]
    assert "kept.py" not in note["message"]
    told = [(each["file"], each["line"], each["side"]) for each in note["comments"]]
    assert told == [("kept.py", 2, "new"), ("kept.py", 2, "old")]
    assert "Return a number.\nNot a text." in note["comments"][0]["text"]
    history = person.get("/runs/{run}", {"run": run}).body
    assert history["ok"], history


@pytest.mark.parametrize(
    ("comment", "hint"),
    [
        ({"file": "kept.pi", "line": 2, "text": "x"}, "Did you mean 'kept.py'?"),
        ({"file": "elsewhere/entirely.md", "line": 2, "text": "x"}, "Only files"),
        ({"file": "kept.py", "line": 700, "text": "x"}, "The nearest shown line is 2"),
        ({"file": "picture.bin", "line": 1, "text": "x"}, "no lines"),
        ({"file": "kept.py", "line": 2, "text": " "}, "Say what should change."),
    ],
)
def test_a_comment_on_what_is_not_shown_is_refused(
    scene: Scene, person: Program, request_id: str, comment: dict[str, Any], hint: str
) -> None:
    no = person.post(f"{PATH}/reject", {"request": request_id}, pin=PIN, comments=[comment], **seen(person, request_id))

    assert (no.status, no.code) == (400, "bad_argument")
    assert hint in no.body["error"]["hint"]
    assert scene.attempt(run_of(scene, request_id), "plan").status == "awaiting"


def test_a_rejection_says_something(person: Program, request_id: str) -> None:
    assert (
        person.post(f"{PATH}/reject", {"request": request_id}, pin=PIN, **seen(person, request_id)).code
        == "bad_argument"
    )


@pytest.mark.attack("an agent decides through the API", "held", "B-30")
@pytest.mark.parametrize("answer", ["approve", "reject", "edit"])
def test_no_decision_without_the_session_and_the_pin(
    scene: Scene, connect: Connect, person: Program, request_id: str, answer: str
) -> None:
    said = seen(person, request_id) | (
        {} if answer == "approve" else {"feedback": "x"} if answer == "reject" else {"text": "x"}
    )
    path, fill = f"{PATH}/{answer}", {"request": request_id}

    assert connect("manage").post(path, fill, pin=PIN, **said).code == "forbidden", "a program, even with the PIN"
    assert person.post(path, fill, **said).code == "needs_human"
    if answer != "edit":
        assert person.post(path, fill, pin=WRONG, **said).code == "wrong_pin"
    assert scene.attempt(run_of(scene, request_id), "plan").status == "awaiting"


@pytest.mark.attack("what is decided on changes while the page is open", "held", "SC-04")
def test_what_changed_meanwhile_is_refused_with_what_changed(scene: Scene, person: Program, request_id: str) -> None:
    said = seen(person, request_id)
    scene.write("kept.py", "import os\n")

    no = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **said)

    assert (no.status, no.code) == (409, "stale_revision")
    assert no.data_of_refusal["changed"] == ["kept.py"]
    assert no.data_of_refusal["decision"]["request"]["id"] == request_id
    assert scene.attempt(run_of(scene, request_id), "plan").status != "completed"


@pytest.mark.parametrize("key", ["sha256", "shown"])
def test_a_decision_names_what_was_shown(person: Program, request_id: str, key: str) -> None:
    said = seen(person, request_id) | {key: "0" * 64}

    no = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **said)

    assert (no.status, no.code) == (409, "stale_revision")
    assert no.data_of_refusal["decision"]["shown_sha256"] == seen(person, request_id)["shown"], "the view of now"


def test_a_gate_that_needs_a_passkey_takes_no_pin(scene: Scene, person: Program) -> None:
    run = scene.start(phase("plan", approval("passkey")))
    scene.do(run, "plan")
    request = asked(scene, run)

    no = person.post(f"{PATH}/approve", {"request": request}, pin=PIN, **seen(person, request))

    assert (no.status, no.code) == (403, "needs_human")
    assert f"/decide/{request}" in no.body["error"]["hint"]


def test_a_phrase_is_typed_exactly(scene: Scene, person: Program) -> None:
    run = scene.start(phase("plan", approval(phrase="ship it")))
    scene.do(run, "plan")
    request = asked(scene, run)

    assert (
        person.post(f"{PATH}/approve", {"request": request}, pin=PIN, phrase="ship", **seen(person, request)).code
        == "bad_argument"
    )
    assert (
        person.post(f"{PATH}/approve", {"request": request}, pin=PIN, phrase="ship it", **seen(person, request)).status
        == 200
    )


def test_a_stopped_run_takes_no_decision(scene: Scene, person: Program, request_id: str) -> None:
    said = seen(person, request_id)
    assert person.post("/runs/{run}/control", {"run": run_of(scene, request_id)}, action="cancel").status == 200

    assert person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **said).status == 409


def test_an_unknown_request_is_refused(person: Program) -> None:
    assert person.get(PATH, {"request": "rq-nothing"}).code == "bad_argument"


def test_a_program_of_another_project_sees_no_decision(scene: Scene, connect: Connect, request_id: str) -> None:
    with scene.store.tx() as tx:
        other = tx.projects.id_of("/elsewhere", "/elsewhere")

    assert connect("read", "foreign", project=other).get(PATH, {"request": request_id}).code == "forbidden"
    assert connect("read", "own").get(PATH, {"request": request_id}).status == 200


@pytest.fixture
def editable(scene: Scene) -> str:
    run = scene.start(
        phase("plan", approval(), output={"artifact": "plan_doc", "schema": "markdown_doc@1", "editable": True})
    )
    scene.do(run, "plan", {"front": {}, "body": "# Old\n"})
    return asked(scene, run)


def test_an_artifact_is_edited_and_asked_about_anew(scene: Scene, person: Program, editable: str) -> None:
    found = person.get(f"{PATH}/edit", {"request": editable}).data
    assert found["what"] == "artifact"
    assert "# Old" in found["text"]

    done = person.post(
        f"{PATH}/edit",
        {"request": editable},
        pin=PIN,
        text=found["text"].replace("Old", "New"),
        note="mine",
        **seen(person, editable),
    )

    assert done.data["state"] == "closed"
    assert scene.attempt(run_of(scene, editable), "plan").revision == 2


def test_what_is_not_editable_has_no_text(scene: Scene, person: Program) -> None:
    run = scene.start(phase("plan", approval(), output={"artifact": "plan_doc", "schema": "markdown_doc@1"}))
    scene.do(run, "plan", {"front": {}, "body": "# Old\n"})
    request_id = asked(scene, run)
    assert person.get(f"{PATH}/edit", {"request": request_id}).code == "illegal_transition"
    no = person.post(f"{PATH}/edit", {"request": request_id}, pin=PIN, text="x", **seen(person, request_id))
    assert no.code == "illegal_transition"
