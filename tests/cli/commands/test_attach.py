"""Files that a person or an agent attaches to an attempt are kept, shown where it is decided, and part of every copy of the run."""

import base64
import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.cli.scene import PIN, Terminal
from tests.forged import signed
from wfe_mcp.core import limits

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DIES = """
import os, signal, sys
from wfe_mcp.cli.app import main
from wfe_mcp.store.runs.artifacts import AttachmentRepository

add, left = AttachmentRepository.add, [int(sys.argv[1])]

def until(self, attachment):
    if not left[0]:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    left[0] -= 1
    add(self, attachment)

AttachmentRepository.add = until
main(["attach", sys.argv[2], "draft", "one.txt", "two.txt"])
"""


@pytest.fixture
def letter(cli: Terminal) -> str:
    """A run whose letter waits for a person."""
    run = cli.start("letter")
    assert cli.submit_work(run, "draft").code == 0
    assert cli.submit_work(run, "send").code == 0
    (cli.root / "shot.png").write_bytes(PICTURE)
    (cli.root / "said.txt").write_text("All green.\n")
    return run


@pytest.mark.requirement("S4-26")
def test_a_picture_and_a_text_are_attached_listed_read_and_saved(cli: Terminal, letter: str) -> None:
    document = cli.json("attach", letter, "send", "shot.png", "said.txt", "--note", "The page after the change")

    assert document.code == 0, document.out
    lines = document.data["attachments"]
    assert [(one["artifact"], one["name"], one["media_type"], one["size_bytes"]) for one in lines] == [
        ("attachment:1", "shot.png", "image/png", len(PICTURE)),
        ("attachment:2", "said.txt", "text/plain", 11),
    ]
    assert lines[0]["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert cli.json("artifact", "show", letter).data["attachments"] == lines
    assert "attachment:1" in cli("artifact", "show", letter).out
    assert cli("artifact", "show", letter, "attachment:2").out == "All green.\n\n"
    assert "--save FILE" in cli("artifact", "show", letter, "attachment:1").out
    assert cli("artifact", "show", letter, "attachment:1", "--save", "copy.png").code == 0
    assert (cli.root / "copy.png").read_bytes() == PICTURE


@pytest.mark.requirement("S4-26")
def test_who_decides_sees_what_is_attached_and_what_comes_later_is_part_of_what_was_shown(
    cli: Terminal, letter: str
) -> None:
    before = cli.json("show", letter, "--decision").data
    assert "attachments" not in before["decision"]
    assert cli.json("attach", letter, "send", "shot.png", "--note", "The page").code == 0

    after = cli.json("show", letter, "--decision")

    (shown,) = after.data["decision"]["attachments"]
    assert (shown["name"], shown["note"], shown["sha256"]) == (
        "shot.png",
        "The page",
        hashlib.sha256(PICTURE).hexdigest(),
    )
    assert after.data["shown_sha256"] != before["shown_sha256"]
    text = cli("show", letter, "--decision").out
    assert "ATTACHED FILES" in text
    assert f"wfe-mcp artifact show {letter} attachment:1 --save FILE" in text


def test_the_same_file_twice_is_stored_once(cli: Terminal, letter: str) -> None:
    first = cli.json("attach", letter, "send", "shot.png", "shot.png").data["attachments"]
    assert cli.json("attach", letter, "send", "shot.png").data["attachments"] == first[:1]
    assert len(cli.json("artifact", "show", letter).data["attachments"]) == 1


@pytest.mark.requirement("S4-26")
@pytest.mark.parametrize(
    ("name", "most", "files"),
    [
        ("ATTACHMENT_BYTES", 10, ["said.txt"]),
        ("ATTACHMENTS", 1, ["said.txt", "shot.png"]),
        ("ATTACHMENTS_BYTES", 20, ["said.txt", "shot.png"]),
    ],
)
def test_what_is_above_a_limit_is_refused_with_the_limit_and_nothing_is_kept(
    cli: Terminal, letter: str, name: str, most: int, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wfe_mcp.engine.phases import attach

    limit = getattr(limits, name)
    monkeypatch.setattr(attach, name, limit.with_most(most))

    document = cli.json("attach", letter, "send", *files)

    assert document.refusal == "too_large"
    assert f"at most {most:,}" in document.document["error"]["message"]
    assert document.document["error"]["hint"] == limit.remedy
    assert "attachments" not in cli.json("artifact", "show", letter).data


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("send", "absent.png"), "bad_argument"),
        (("sendd", "shot.png"), "unknown_phase"),
        (("nothing", "shot.png"), "unknown_phase"),
        (("draft", "shot.png"), "illegal_transition"),
    ],
)
def test_a_file_that_is_not_there_and_a_phase_that_takes_none_are_refused(
    cli: Terminal, letter: str, words: tuple[str, str], code: str
) -> None:
    document = cli.json("attach", letter, *words)
    assert (document.code, document.refusal) == (1, code)
    assert document.document["error"]["hint"]


def test_a_long_text_is_cut_and_the_command_that_saves_all_of_it_follows(cli: Terminal, letter: str) -> None:
    (cli.root / "said.txt").write_text("word " * 5_000)
    assert cli.json("attach", letter, "send", "said.txt").code == 0
    answer = cli("artifact", "show", letter, "attachment:1")
    assert (answer.code, len(answer.out) < 20_000) == (0, True)
    assert f"wfe-mcp artifact show {letter} attachment:1 --save FILE" in answer.err


def test_nothing_is_attached_to_a_run_that_is_over(cli: Terminal) -> None:
    run = cli.start("note")
    assert cli.json("cancel", run).code == 0
    (cli.root / "said.txt").write_text("late")
    assert cli.json("attach", run, "draft", "said.txt").refusal == "illegal_transition"


def test_an_unknown_attachment_lists_those_that_are_there_and_a_file_is_never_overwritten(
    cli: Terminal, letter: str
) -> None:
    assert cli.json("attach", letter, "send", "shot.png").code == 0
    for name in ("attachment:2", "attachment:x"):
        unknown = cli.json("artifact", "show", letter, name)
        assert unknown.refusal == "unknown_artifact"
        assert "attachment:1 (shot.png)" in unknown.document["error"]["hint"]
    assert cli.json("artifact", "show", letter, "attachment:1", "--save", "said.txt").refusal == "conflict"
    assert (cli.root / "said.txt").read_text() == "All green.\n"
    assert cli.json("artifact", "show", letter, "attachment:1", "--save", "no/where").refusal == "bad_argument"
    assert cli.json("artifact", "show", letter, "send", "--save", "x").code == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE attachment SET content = X'00'", "UPDATE attachment SET note = 'other'", "DELETE FROM attachment"],
)
def test_verify_finds_an_attachment_that_was_changed_or_removed(cli: Terminal, letter: str, statement: str) -> None:
    assert cli.json("attach", letter, "send", "shot.png").code == 0
    assert cli.json("verify", letter).code == 0

    with closing(sqlite3.connect(cli.database)) as connection, connection:
        connection.execute(statement)
    connection.close()

    answer = cli("verify", letter)
    assert answer.code == 1
    assert "attachment" in answer.out


@pytest.mark.requirement("S4-26")
def test_attachments_are_in_exports_backups_and_forks(cli: Terminal, letter: str) -> None:
    assert cli.json("attach", letter, "send", "shot.png").code == 0
    assert cli.json("export", letter, "run.json").code == 0
    assert cli.json("backup", "copy.db").code == 0
    assert cli.json("approve", letter, "send", pin=PIN).code == 0

    (row,) = json.loads((cli.root / "run.json").read_text())["attachments"]
    assert base64.b64decode(row["content"]) == PICTURE
    with closing(sqlite3.connect(cli.root / "copy.db")) as connection, connection:
        assert connection.execute("SELECT content FROM attachment").fetchall() == [(PICTURE,)]
    connection.close()
    fork = cli.json("start", "--from", letter, pin=PIN).document["run"]
    assert cli.json("artifact", "show", fork).data["attachments"][0]["sha256"] == row["sha256"]
    assert cli.json("verify").code == 0


def test_a_bundle_brings_its_attachments_and_a_forged_one_is_refused(cli: Terminal, letter: str) -> None:
    assert cli.json("attach", letter, "send", "shot.png").code == 0
    assert cli.json("cancel", letter).code == 0
    assert cli.json("export", letter, "run.json").code == 0
    content = (cli.root / "run.json").read_bytes()
    assert cli.json("import", "run.json").code == 0, "the same run again"
    assert cli.json("prune", letter, pin=PIN).code == 0

    def forge(bundle: dict[str, list[dict[str, str]]]) -> None:
        bundle["attachments"][0]["content"] = base64.b64encode(b"another").decode()

    (cli.root / "forged.json").write_bytes(signed(content, forge))
    refused = cli.json("import", "forged.json")
    assert refused.refusal == "invalid_artifact"
    assert refused.document["error"]["details"][0]["path"] == "/attachments/0/sha256"
    (cli.root / "empty.json").write_bytes(content.replace(b'"logs":[\n', b'"attachments":[\n],\n"logs":[\n'))
    assert cli.json("import", "empty.json").refusal == "invalid_artifact"


@pytest.mark.requirement("S4-26")
@pytest.mark.parametrize("at", [0, 1])
def test_a_kill_between_two_files_keeps_neither(cli: Terminal, at: int) -> None:
    run = cli.start("note")
    for name in ("one", "two"):
        (cli.root / f"{name}.txt").write_text(name)
    died = subprocess.run([sys.executable, "-c", DIES, str(at), run], capture_output=True, text=True, check=False)
    assert died.returncode not in (0, 1, 2), died.stderr
    assert "attachments" not in cli.json("artifact", "show", run).data
    assert cli.json("verify", run).code == 0
    assert cli.json("attach", run, "draft", "one.txt", "two.txt").code == 0


@pytest.mark.requirement("S4-26", "S4-33")
def test_files_are_attached_with_the_submission_and_shown_and_found(cli: Terminal) -> None:
    run = cli.start("letter")
    (cli.root / "said.txt").write_text("All seventeen sparrows are green.\n")
    (cli.root / "draft.json").write_text(json.dumps({"text": "hello"}))
    document = cli.json(
        "submit", run, "draft", "--path", "draft.json", "--attach", "said.txt", "--attach", "draft.json"
    )
    assert document.code == 0, document.out

    shown = cli.json("show", run).data["attachments"]
    assert [(each["name"], each["phase"]) for each in shown] == [("said.txt", "draft"), ("draft.json", "draft")]
    assert "attachment:1 said.txt (text/plain) of draft 1" in cli("show", run).out
    assert "attachments" not in cli.json("show", run, "--phase", "send").data
    assert "attachments" in cli.json("show", run, "--phase", "draft").data
    for words in ("sparrows", "said.txt"):
        (hit,) = cli.json("find", words, "--kind", "attachment").data["hits"]
        assert (hit["title"], hit["open"]) == ("attached file said.txt", f"wfe-mcp artifact show {run} attachment:1")
    assert cli("artifact", "show", run, "attachment:1").out.startswith("All seventeen")


def test_a_file_outside_the_project_is_not_attached_with_a_submission(cli: Terminal) -> None:
    run = cli.start("letter")
    (cli.root / "draft.json").write_text(json.dumps({"text": "hello"}))
    (cli.root.parent / "other.txt").write_text("not ours")
    document = cli.json("submit", run, "draft", "--path", "draft.json", "--attach", "../other.txt")
    assert document.refusal == "path_outside_project"
    assert cli.json("artifact", "show", run).data["artifacts"] == []


def test_an_artifact_is_named_by_its_whole_path_also_where_a_link_leads_to_the_project(cli: Terminal) -> None:
    (cli.root / "draft.json").write_text(json.dumps({"text": "hello"}))
    link = cli.root.parent / "linked"
    link.symlink_to(cli.root, target_is_directory=True)
    run = cli.start("letter")
    missing = cli("submit", run, "draft", "--path", str(link / "drift.json"))
    assert "does not exist" in missing.err
    for place in (link, cli.root):
        assert cli.json("submit", run, "draft", "--path", str(place / "draft.json")).code == 0
    (cli.root.parent / "other.json").write_text("{}")
    outside = cli.json("submit", cli.start("letter"), "draft", "--path", str(cli.root.parent / "other.json"))
    assert outside.refusal == "path_outside_project"
