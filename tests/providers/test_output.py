"""Where the output of a worker without our tools goes, and how it is found again."""

import sys
from pathlib import Path

import pytest

from wfe_mcp.providers.output import clear_place, output_paragraph, value_at, value_in
from wfe_mcp.workspace.config.provider_kinds import FS_ABILITIES, FsAbility

PLACE = ".wfe/runs/r1/plan/1/output.json"


@pytest.mark.requirement("S0-43")
@pytest.mark.parametrize(
    ("ability", "words", "not_there"),
    [
        ("local-write", ["write", f"`{PLACE}`"], ["download"]),
        ("local-read", ["block", f"saved as `{PLACE}`"], ["download", "write"]),
        ("write-only", ["for download named `output.json`", PLACE], []),
        ("none", ["block"], ["output.json", "download"]),
    ],
)
def test_each_ability_has_its_paragraph(ability: FsAbility, words: list[str], not_there: list[str]) -> None:
    text = output_paragraph(ability, PLACE, {"type": "object", "title": "Plän"})
    assert '{"type":"object","title":"Plän"}' in text
    answer = text.partition("It must be")[0]
    assert all(word in answer for word in words) and not any(word in answer for word in not_there)


def test_every_ability_is_spoken_for() -> None:
    assert len({output_paragraph(ability, PLACE, {}) for ability in FS_ABILITIES}) == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('\ufeff {"a": 1}\n', {"a": 1}),
        ('Here:\n```json\n{"a": 1}\n```\nBye.', {"a": 1}),
        ('```json\n{"a": 1}\n```\nand better\n```JSON\n{"a": 2}\n```', {"a": 2}),
        ('```json\n{"a": 1}\n```\n```python\nprint()\n```', {"a": 1}),
        ('```json\n{"a": "```"}\n```', {"a": "```"}),
        ('````\n{"a": "x"}\n````', {"a": "x"}),
        ('~~~json\n{"a": 1}\n~~~', {"a": 1}),
        ('  ```json\r\n  {"a": 1}\r\n  ```\r\n', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ("```json\n[1]\n```", None),
        ('```json\n{"a": NaN}\n```', None),
        ('```json\n{"a": 1, "a": 2}\n```', None),
        ('{"a": 1', None),
        ("I am done.", None),
        ("", None),
        ("```json\n" + '{"a":' * 100_000 + "\n```", None),
    ],
)
def test_the_last_object_in_an_answer_is_its_output(text: str, value: dict[str, object] | None) -> None:
    assert value_in(text) == value


def test_the_place_is_cleared_before_anyone_works(tmp_path: Path) -> None:
    clear_place(tmp_path, PLACE)
    assert (tmp_path / PLACE).parent.is_dir() and value_at(tmp_path, PLACE) is None
    (tmp_path / PLACE).write_text('{"a": "€"}', encoding="utf-8")
    assert value_at(tmp_path, PLACE) == {"a": "€"}
    clear_place(tmp_path, PLACE)
    assert value_at(tmp_path, PLACE) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_in_the_place_is_refused(tmp_path: Path) -> None:
    clear_place(tmp_path, PLACE)
    (tmp_path / "secret").write_text('{"a": 1}')
    (tmp_path / PLACE).symlink_to(tmp_path / "secret")
    with pytest.raises(Exception, match="link"):
        value_at(tmp_path, PLACE)
    with pytest.raises(Exception, match="link"):
        clear_place(tmp_path, PLACE)
    assert (tmp_path / "secret").read_text() == '{"a": 1}'
