"""A person edits the file that the server wrote of an artifact, and decides."""

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

TEXT = {"artifact": "text", "schema": "markdown_doc@1", "write_to": "NOTES.md", "editable": True}
STRAYED = "NOTES.md is not as the artifact says: changed since the server wrote it."


@pytest.fixture
def run(cli: Terminal) -> str:
    cli.save(template("notes", phase("write", HUMAN, output=TEXT), phase("read")))
    run = cli.start("notes")
    (cli.root / "draft.md").write_text("# Notes\n\nDots become dashes.\n")
    assert cli("submit", run, "write", "--path", "draft.md").code == 0
    return run


def test_an_edited_file_is_said_not_to_be_what_is_approved(cli: Terminal, run: str) -> None:
    notes = cli.root / "NOTES.md"
    assert STRAYED not in cli("show", run, "--decision").out
    notes.write_bytes(notes.read_bytes().replace(b"\n", b"\r\n"))
    assert STRAYED not in cli("show", run, "--decision").out, "only its line ends differ"
    notes.write_text(notes.read_text().replace("Dots", "Commas"))

    shown = cli("show", run, "--decision").out

    assert STRAYED in shown
    assert "the artifact; its next revision writes over it" in " ".join(shown.split())
    assert cli("approve", run, "write", pin=PIN).code == 0
    assert cli("verify", run).code == 0


def test_a_file_that_was_removed_is_said_too(cli: Terminal, run: str) -> None:
    (cli.root / "NOTES.md").unlink()
    assert STRAYED in cli("show", run, "--decision").out
