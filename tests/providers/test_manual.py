"""The manual provider: the prompt is written to a file, and a person's answer is read from one."""

import sys
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.providers.call import ProviderFault, Task
from wfe_mcp.providers.manual import answer_of, prompt_file
from wfe_mcp.workspace.config.provider_kinds import FsAbility

ATTEMPT = ".wfe/runs/r1/build/1"
TASK = Task("Build it – all.", {"type": "object", "required": ["summary"]}, "You are careful.")


def answer(root: Path, name: str, text: str) -> None:
    (root / ATTEMPT / "manual" / name).write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    prompt_file(tmp_path, ATTEMPT, TASK, "local-write")
    return tmp_path


@pytest.mark.requirement("S0-42")
def test_the_prompt_goes_out_with_where_its_answer_goes(tmp_path: Path) -> None:
    out = prompt_file(tmp_path, ATTEMPT, TASK, "local-write", "wfe-mcp submit r1 build")
    written = (tmp_path / out.path).read_text(encoding="utf-8")
    assert written == out.text
    assert written.startswith("You are careful.\n\nBuild it – all.\n\n## Your output")
    assert f"`{out.places[0]}`" in written and '"required":["summary"]' in written
    assert all(place in out.instructions for place in (out.path, *out.places))
    assert "wfe-mcp submit r1 build --path FILE" in out.instructions
    assert answer_of(tmp_path, ATTEMPT) is None


@pytest.mark.requirement("S0-43")
@pytest.mark.parametrize(
    ("ability", "words"),
    [
        ("local-write", "write your output"),
        ("local-read", "saved as"),
        ("write-only", "for download"),
        ("none", "End your"),
    ],
)
def test_what_the_model_can_do_with_files_decides_the_last_paragraph(
    tmp_path: Path, ability: FsAbility, words: str
) -> None:
    assert words in prompt_file(tmp_path, ATTEMPT, TASK, ability).text


@pytest.mark.requirement("S0-42")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("answer.json", '{"summary": "ok €"}'),
        ("answer.json", '```json\n{"summary": "ok €"}\n```'),
        ("answer.md", 'Done:\n\n```json\n{"summary": "ok €"}\n```\nAnything else?'),
        ("answer.md", '{"summary": "ok €"}'),
    ],
)
def test_an_answer_is_picked_up_from_its_file(root: Path, name: str, text: str) -> None:
    answer(root, name, text)
    assert answer_of(root, ATTEMPT) == {"summary": "ok €"}


def test_an_answer_survives_that_the_prompt_is_written_again(root: Path) -> None:
    answer(root, "answer.json", '{"summary": "ok"}')
    prompt_file(root, ATTEMPT, TASK, "none")
    assert answer_of(root, ATTEMPT) == {"summary": "ok"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("answer.json", '{"summary": "ok"', "cannot be read"),
        ("answer.json", "[1]", "not an object"),
        ("answer.json", '{"a": 1, "a": 2}', "cannot be read"),
        ("answer.md", "I am not sure.", "no ```json block"),
    ],
)
def test_an_answer_that_cannot_be_read_says_why_and_may_be_fixed(root: Path, name: str, text: str, why: str) -> None:
    answer(root, name, text)
    with pytest.raises(ProviderFault) as raised:
        answer_of(root, ATTEMPT)
    assert raised.value.kind == "unparsable" and why in raised.value.message and "again" in raised.value.hint
    answer(root, name, '{"summary": "mended"}')
    assert answer_of(root, ATTEMPT) == {"summary": "mended"}


@pytest.mark.parametrize("name", ["answer.json", "answer.md"])
def test_an_empty_file_is_no_answer_yet(root: Path, name: str) -> None:
    answer(root, name, "\n")
    assert answer_of(root, ATTEMPT) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_is_no_answer(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret.json"
    secret.write_text('{"summary": "secret"}')
    (root / ATTEMPT / "manual/answer.json").symlink_to(secret)
    with pytest.raises(Refused) as raised:
        answer_of(root, ATTEMPT)
    assert raised.value.code == "path_outside_project"


@pytest.mark.parametrize("attempt", ["../out", "/tmp/out", "a/../../b"])
def test_nothing_is_written_outside_the_folder_of_the_attempt(tmp_path: Path, attempt: str) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(Refused) as raised:
        prompt_file(tmp_path / "project", attempt, TASK, "none")
    assert raised.value.code == "path_outside_project"


def test_the_schema_is_shown_as_it_is(tmp_path: Path) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"größe": {"type": "integer", "description": "in {mm}"}}}
    assert (
        '"größe":{"type":"integer","description":"in {mm}"}'
        in prompt_file(tmp_path, ATTEMPT, Task("Do {it}.", schema), "none").text
    )
