"""Files attached to work items: listed, shown, saved, found, and named by verify where they were changed."""

import hashlib
import subprocess
import sys

import pytest

from tests.cli.commands.test_attach import PICTURE
from tests.cli.commands.test_work import added, item
from tests.cli.scene import PIN, Terminal
from tests.store.scene import tamper
from wfe_mcp.core import limits
from wfe_mcp.engine.work import item_files

DIES = """
import os, signal, sys
from wfe_mcp.cli.app import main
from wfe_mcp.store.items import ItemRepository

keep, left = ItemRepository.keep_file, [int(sys.argv[1])]

def until(self, *given):
    if not left[0]:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    left[0] -= 1
    return keep(self, *given)

ItemRepository.keep_file = until
main(["work", "attach", "W-1", "shot.png", "said.txt"])
"""


@pytest.fixture
def bug(cli: Terminal) -> str:
    """A bug, beside a screenshot and a text."""
    (cli.root / "shot.png").write_bytes(PICTURE)
    (cli.root / "said.txt").write_text("All seventeen sparrows are red.\n")
    return added(cli, "The map is empty", "--kind", "bug")


@pytest.mark.requirement("S4-33")
def test_the_screenshot_of_a_bug_is_attached_listed_shown_saved_and_found(cli: Terminal, bug: str) -> None:
    made = cli.json("work", "attach", bug, "shot.png", "said.txt")
    assert (made.code, made.document["summary"]) == (0, f"Attached to {bug} 'The map is empty': planned bug")
    assert made.data["files"] == [
        {
            "number": 1,
            "name": "shot.png",
            "media_type": "image/png",
            "size_bytes": len(PICTURE),
            "sha256": hashlib.sha256(PICTURE).hexdigest(),
        },
        {
            "number": 2,
            "name": "said.txt",
            "media_type": "text/plain",
            "size_bytes": 32,
            "sha256": hashlib.sha256(b"All seventeen sparrows are red.\n").hexdigest(),
        },
    ]
    assert item(cli, bug)["files"] == made.data["files"]
    assert item(cli, bug)["history"][-1]["values"] == {"files": ["shot.png", "said.txt"]}
    assert f"file 1: shot.png (image/png, {len(PICTURE)} bytes)" in cli("work", "show", bug).out
    assert cli("work", "show", bug, "--file", "2").out == "All seventeen sparrows are red.\n"
    assert "--file 1 --save FILE" in cli("work", "show", bug, "--file", "1").err
    assert cli.json("work", "show", bug, "--file", "1", "--save", "copy.png").code == 0
    assert (cli.root / "copy.png").read_bytes() == PICTURE
    assert cli.json("work", "show", bug, "--file", "1", "--save", "said.txt").refusal == "conflict"
    assert [each["title"] for each in cli.json("find", "shot.png").data["hits"]] == ["W-1 The map is empty"]
    assert cli.json("verify").code == 0


def test_the_same_file_twice_is_kept_once(cli: Terminal, bug: str) -> None:
    first = cli.json("work", "attach", bug, "shot.png", "shot.png").data
    again = cli.json("work", "attach", bug, "shot.png")
    assert (len(first["files"]), again.data["files"]) == (1, first["files"])
    assert again.document["summary"].startswith("It is so already")


def test_a_file_is_detached_by_its_name_or_number_and_the_record_keeps_it(cli: Terminal, bug: str) -> None:
    cli.json("work", "attach", bug, "shot.png", "said.txt")
    made = cli.json("work", "detach", bug, "shot.png")
    assert (made.code, made.document["summary"]) == (0, f"Detached from {bug} 'The map is empty': planned bug")
    assert [(each["number"], each["name"]) for each in made.data["files"]] == [(1, "said.txt")]
    history = [each["values"]["files"] for each in item(cli, bug)["history"] if "files" in each["values"]]
    assert history == [["shot.png", "said.txt"], ["said.txt"]]
    assert cli.json("verify").code == 0
    no = cli.json("work", "detach", bug, "shot.png")
    assert (no.refusal, no.document["error"]["hint"]) == ("unknown_artifact", "Attached files: 1 (said.txt).")

    (cli.root / "said.txt").write_text("Another text under the same name.\n")
    cli.json("work", "attach", bug, "said.txt")
    no = cli.json("work", "detach", bug, "said.txt")
    assert (no.refusal, no.document["error"]["hint"]) == (
        "unknown_artifact",
        "Attached files: 1 (said.txt), 2 (said.txt).",
    )
    assert cli.json("work", "detach", bug, "2").data["files"][0]["size_bytes"] == 32
    assert cli.json("work", "edit", bug, "--status", "dropped", pin=PIN).code == 0
    assert cli.json("work", "detach", bug, "said.txt").refusal == "illegal_transition"


@pytest.mark.requirement("S4-33")
@pytest.mark.attack("a file attached to a work item is changed or removed in the database", "detected", "design §14")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE item_file SET content = X'00'", "was changed after it was attached"),
        ("DELETE FROM item_file", "is missing"),
    ],
)
def test_verify_names_a_file_that_was_changed_or_removed(cli: Terminal, bug: str, statement: str, what: str) -> None:
    assert cli.json("work", "attach", bug, "shot.png").code == 0
    tamper(f"sqlite:///{cli.database}", statement)
    found = cli.json("verify")
    assert (found.code, [each["code"] for each in found.data["problems"]]) == (1, ["item_file_edited"])
    assert f"the attached file 'shot.png' {what}" in cli("verify").out
    if "missing" in what:
        no = cli.json("work", "show", bug, "--file", "1")
        assert (no.refusal, no.document["error"]["hint"]) == ("unknown_artifact", "See what is missing: wfe-mcp verify")


@pytest.mark.parametrize(
    ("name", "most"),
    [("ATTACHMENT_BYTES", 10), ("ATTACHMENTS", 1), ("ATTACHMENTS_BYTES", 80)],
)
def test_what_is_above_a_limit_is_refused_with_the_limit_and_nothing_is_kept(
    cli: Terminal, bug: str, name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = getattr(limits, name)
    monkeypatch.setattr(item_files, name, limit.with_most(most))
    no = cli.json("work", "attach", bug, "shot.png", "said.txt")
    assert (no.refusal, no.document["error"]["hint"]) == ("too_large", limit.remedy)
    assert f"at most {most}" in no.document["error"]["message"]
    assert "files" not in item(cli, bug)


def test_a_file_that_is_not_there_and_an_item_that_is_over_are_refused(cli: Terminal, bug: str) -> None:
    assert cli.json("work", "attach", bug, "absent.png").refusal == "bad_argument"
    assert cli.json("work", "attach", "W-9", "shot.png").refusal == "bad_argument"
    no = cli.json("work", "show", bug, "--file", "3")
    assert (no.refusal, no.document["error"]["hint"]) == ("unknown_artifact", "Attached files: none.")
    assert cli.json("work", "show", bug, "--save", "copy.png").code == 2
    assert cli.json("work", "edit", bug, "--status", "dropped", pin=PIN).code == 0
    assert cli.json("work", "attach", bug, "shot.png").refusal == "illegal_transition"


@pytest.mark.requirement("S4-33")
@pytest.mark.parametrize("at", [0, 1])
def test_a_kill_between_two_files_keeps_neither(cli: Terminal, bug: str, at: int) -> None:
    died = subprocess.run([sys.executable, "-c", DIES, str(at)], capture_output=True, text=True, check=False)
    assert died.returncode not in (0, 1, 2), died.stderr
    assert "files" not in item(cli, bug)
    assert cli.json("verify").code == 0
    assert len(cli.json("work", "attach", bug, "shot.png", "said.txt").data["files"]) == 2
