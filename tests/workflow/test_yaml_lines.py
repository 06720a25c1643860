"""YAML parsing with line numbers, and what it refuses."""

from pathlib import Path

import pytest

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.workflow.load import MAX_BYTES
from wfe_mcp.workflow.yaml_lines import MAX_DEPTH, read_yaml

TEXT = """\
# settings
plan:
  response: {approver: skip, tries: 2}
list:
- yes
- "yes"
- 2026-01-01
- ~
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "x.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(folder: Path, text: str | bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as no:
        read_yaml(written(folder, text))
    return no.value.code, no.value.message


def test_values_are_plain_and_know_their_lines(tmp_path: Path) -> None:
    value, lines = read_yaml(written(tmp_path, TEXT))

    assert value == {
        "plan": {"response": {"approver": "skip", "tries": 2}},
        "list": [True, "yes", "2026-01-01", None],
    }
    assert {place: lines.line_of(place) for place in ("/plan", "/plan/response/tries", "/list/2")} == {
        "/plan": 2,
        "/plan/response/tries": 3,
        "/list/2": 7,
    }
    assert lines.line_of("/plan/response/tries/deeper") == 3
    assert lines.locate(Detail("/plan/response/tries", "is odd")).message == "plan.response.tries: is odd"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x 1\nb: *x", 1, "anchor &x"),
        ("b: *x", 1, "alias *x"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("b: !mine 3", 1, "tag !mine"),
        ("a:\n  c: 1\n  c: 2", 3, "'c' is duplicate"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: 1\n2: 3", 2, "2 is not text"),
        ("? [a]\n: 1", 1, "[] is not text"),
        ("a:\n\t- 3", 2, "cannot start any token"),
        ("a: .inf", 1, "is a number that JSON cannot hold"),
        pytest.param("a: " + "9" * 5_000, 1, "is not a number", id="a long number"),
        pytest.param("a: 1" + ":1" * 300 + ".5", 1, "is not a number", id="a number of base 60"),
        pytest.param("a: 1" + ":1" * 200_000, 1, "is not a number", id="a long number of base 60"),
        pytest.param("[" * 100_000, 1, f"deeper than {MAX_DEPTH}", id="deep lists"),
        pytest.param(
            "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 99)), MAX_DEPTH + 1, "deeper than", id="deep maps"
        ),
        ("a: \a", 1, "unacceptable character"),
    ],
)
def test_what_could_grow_run_or_read_two_ways_is_refused_by_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    code, message = refused(tmp_path, text)
    assert code == "invalid_template"
    assert f"line {line}: " in message
    assert words in message


def test_a_file_without_a_value_is_null(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "# nothing\n"))[0] is None
    assert read_yaml(written(tmp_path, "---\n"))[0] is None


def test_a_merge_key_is_a_key_like_any_other(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "<<: {a: 1}"))[0] == {"<<": {"a": 1}}


def test_at_most_a_megabyte_of_text_is_read(tmp_path: Path) -> None:
    assert refused(tmp_path, "#" * (MAX_BYTES + 1))[0] == "too_large"
    assert refused(tmp_path, b"a: \xe9")[0] == "invalid_template"
