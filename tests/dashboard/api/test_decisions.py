"""Decisions through the API: by the session of the page, with the PIN, on exactly what was shown."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG, Browser, asked
from tests.dashboard.test_diff_page import request_about_files
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.views.approvals import open_approval, shown_sha256
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.values.model import plain

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

    assert data["shown"] == plain(view)
    assert data["shown_sha256"] == shown_sha256(view)
    assert data["buttons"] == ["Approve", "Reject"]
    run = view.run
    assert data["commands"] == {
        "approve": f"wfe-mcp approve {run} plan",
        "reject": f"wfe-mcp reject {run} plan --feedback TEXT",
        "edit": f"wfe-mcp edit {run} plan",
        "opinion": f"wfe-mcp opinion ask {run} plan",
    }


@pytest.mark.parametrize("split", [0, 1])
def test_the_application_mounts_the_sections_of_the_plain_page(
    person: Program, browser: Browser, request_id: str, split: int
) -> None:
    found = person.get(f"{PATH}/page", {"request": request_id}, split=split).data

    assert found["html"] in browser.get(f"/decide/{request_id}?split={split}").text
    assert found["decision"] == person.get(PATH, {"request": request_id}).data
    assert '<span class="syn-k">def</span>' in found["html"]
    assert all(f"<{name}" not in found["html"] for name in ("script", "style", "form", "input", "link", "iframe"))


def test_the_sections_stay_the_same_until_what_they_show_changes(person: Program, request_id: str) -> None:
    once, again = (person.get(f"{PATH}/page", {"request": request_id}).data for _ in range(2))
    assert once == again


def test_what_an_answered_request_says_is_mounted_too(person: Program, browser: Browser, request_id: str) -> None:
    person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, comment="good", **seen(person, request_id))

    html = person.get(f"{PATH}/page", {"request": request_id}).data["html"]

    assert "Approved by" in html
    assert html in browser.get(f"/decide/{request_id}").text


@pytest.mark.attack("an artifact brings markup of its own to the decision", "held", "T2")
def test_text_of_an_agent_is_never_markup_in_the_sections(scene: Scene, person: Program) -> None:
    document = {"artifact": "plan_doc", "schema": "markdown_doc@1"}
    run = scene.start(phase("plan", approval(), output=document))
    active = "<script>x</script> <img src=x onerror=y> [a](javascript:z)"
    scene.do(run, "plan", {"front": {}, "body": f"# Title\n\n{active} **bold**\n"})

    html = person.get(f"{PATH}/page", {"request": asked(scene, run)}).data["html"]

    assert "<h3>Title</h3>" in html
    assert "<strong>bold</strong>" in html
    assert "&lt;script&gt;x&lt;/script&gt; &lt;img src=x onerror=y&gt;" in html
    assert "<script" not in html
    assert 'href="javascript' not in html


@pytest.mark.attack("an artifact has text where a reader of Markdown leaves it out", "held", "A1")
@pytest.mark.parametrize(
    "body",
    [
        "| Step |\n|---|\n| Copy it | and delete the original |",
        "a | b\n-|-\n|| x | and delete the original",
        f"{'> ' * 12}{'- ' * 9}and delete the original",
    ],
    ids=["a table with one column", "cells without a frame", "deep in quotes and lists"],
)
def test_nothing_of_a_document_is_left_out_of_the_sections(scene: Scene, person: Program, body: str) -> None:
    document = {"artifact": "plan_doc", "schema": "markdown_doc@1"}
    run = scene.start(phase("plan", approval(), output=document))
    scene.do(run, "plan", {"front": {}, "body": f"# Title\n\n{body}\n"})

    html = person.get(f"{PATH}/page", {"request": asked(scene, run)}).data["html"]

    assert "and delete the original" in html


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


def test_comments_on_lines_are_kept_with_an_approval(scene: Scene, person: Program, request_id: str) -> None:
    comments = [{"file": "kept.py", "line": 2, "text": "Name it next time."}]
    common = {"pin": PIN, "comment": "Fine.", "comments": comments, **seen(person, request_id)}
    assert person.post(f"{PATH}/approve", {"request": request_id}, **common).data["state"] == "answered"
    with scene.store.read() as tx:
        decision = tx.approvals.decision(request_id)
    assert decision is not None
    assert decision.comment == "Fine.\n\nComments on lines:\n- kept.py:2 (new): Name it next time."


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
    lines = [(each["file"], each["line"], each["side"]) for each in note["comments"]]
    assert lines == [("kept.py", 2, "new"), ("kept.py", 2, "old")]
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
    result = seen(person, request_id) | (
        {} if answer == "approve" else {"feedback": "x"} if answer == "reject" else {"text": "x"}
    )
    path, fill = f"{PATH}/{answer}", {"request": request_id}

    assert connect("manage").post(path, fill, pin=PIN, **result).code == "forbidden", "a program, even with the PIN"
    assert person.post(path, fill, **result).code == "needs_human"
    if answer != "edit":
        assert person.post(path, fill, pin=WRONG, **result).code == "wrong_pin"
    assert scene.attempt(run_of(scene, request_id), "plan").status == "awaiting"


@pytest.mark.attack("what is decided on changes while the page is open", "held", "SC-04")
def test_what_changed_meanwhile_is_refused_with_what_changed(scene: Scene, person: Program, request_id: str) -> None:
    answer = seen(person, request_id)
    scene.write("kept.py", "import os\n")

    no = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **answer)

    assert (no.status, no.code) == (409, "stale_revision")
    assert no.data_of_refusal["changed"] == ["kept.py"]
    assert no.data_of_refusal["decision"]["request"]["id"] == request_id
    assert scene.attempt(run_of(scene, request_id), "plan").status != "completed"


def test_a_look_at_a_request_whose_files_changed_says_so_before_anything_is_typed(
    scene: Scene, person: Program, request_id: str
) -> None:
    answer = seen(person, request_id)
    scene.write("kept.py", "import os\n")
    found = person.get(f"{PATH}/page", {"request": request_id}).data
    assert found["decision"]["state"] == "closed"
    assert "kept.py changed after this was asked" in found["html"]
    late = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **answer)
    assert late.data_of_refusal["changed"] == ["kept.py"]
    assert "kept.py changed after this was asked" in str(late.body)


@pytest.mark.parametrize("key", ["sha256", "shown"])
def test_a_decision_names_what_was_shown(person: Program, request_id: str, key: str) -> None:
    answer = seen(person, request_id) | {key: "0" * 64}

    no = person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **answer)

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
    answer = seen(person, request_id)
    assert person.post("/runs/{run}/control", {"run": run_of(scene, request_id)}, action="cancel").status == 200

    assert person.post(f"{PATH}/approve", {"request": request_id}, pin=PIN, **answer).status == 409


def test_an_unknown_request_is_refused(person: Program) -> None:
    assert person.get(PATH, {"request": "rq-nothing"}).code == "bad_argument"


def test_a_program_of_another_project_sees_no_decision(scene: Scene, connect: Connect, request_id: str) -> None:
    with scene.store.tx() as tx:
        other = tx.projects.id_of("/elsewhere", "/elsewhere")

    foreign = connect("read", "foreign", project=other)
    hidden, nothing = (foreign.get(PATH, {"request": each}) for each in (request_id, "rq-nothing"))
    assert (hidden.status, hidden.code) == (nothing.status, nothing.code) == (400, "bad_argument")
    assert connect("read", "own").get(PATH, {"request": request_id}).status == 200


@pytest.fixture
def editable(scene: Scene) -> str:
    run = scene.start(
        phase("plan", approval(), output={"artifact": "plan_doc", "schema": "markdown_doc@1", "editable": True})
    )
    scene.do(run, "plan", {"front": {}, "body": "# Old\n"})
    return asked(scene, run)


def test_an_artifact_is_edited_and_asked_about_again(scene: Scene, person: Program, editable: str) -> None:
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
