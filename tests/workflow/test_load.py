"""Templates on disk: folders, files, prompts, digests."""

import json
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.load import MAX_BYTES, digest, load_definition, parse
from wfe_mcp.workflow.model.phases import LoopPhase

Document = dict[str, Any]


def folder_of(tmp_path: Path, document: object, **prompts: str | bytes) -> Path:
    folder = tmp_path / "plain"
    (folder / "prompts").mkdir(parents=True)
    (folder / "template.json").write_text(json.dumps(document), encoding="utf-8")
    for name, text in prompts.items():
        (folder / "prompts" / f"{name}.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def refusal(source: Path) -> Refused:
    with pytest.raises(Refused) as answer:
        load_definition(source)
    return answer.value


def test_a_folder_and_its_self_contained_form_are_the_same_definition(plain: Document, tmp_path: Path) -> None:
    text = plain["phases"][0]["prompt"]
    plain["phases"][0]["prompt"] = {"file": "prompts/plan.md"}
    folder = folder_of(tmp_path, plain, plan=text)
    plain["phases"][0]["prompt"] = text
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps(plain), encoding="utf-8")

    assert load_definition(folder) == load_definition(folder / "template.json") == load_definition(alone) == plain
    assert digest(load_definition(folder)) == digest(plain)


def test_prompts_are_inlined_in_gates_defaults_and_loops_but_not_in_data(tmp_path: Path) -> None:
    file = {"file": "prompts/p.md"}
    phase = {"gates": [{"criteria": file}], "phases": [{"prompt": file}], "steps": [{"params": {"prompt": file}}]}
    folder = folder_of(tmp_path, {"defaults": {"prompt": file}, "phases": [phase]}, p="\ufeffDo\r\nit")

    assert load_definition(folder) == {
        "defaults": {"prompt": "Do\nit"},
        "phases": [
            {
                "gates": [{"criteria": "Do\nit"}],
                "phases": [{"prompt": "Do\nit"}],
                "steps": [{"params": {"prompt": file}}],
            }
        ],
    }


def test_the_digest_names_the_content_whatever_the_order_of_keys(plain: Document) -> None:
    assert digest(plain) == digest(dict(reversed(plain.items())))
    assert digest(plain) != digest({**plain, "version": "1.0.1"})


@pytest.mark.parametrize("name", ["../secret.md", "/etc/passwd", "prompts/../x.md", "prompts/x.txt", "x.md", 5])
def test_a_prompt_file_elsewhere_is_refused(tmp_path: Path, name: object) -> None:
    answer = refusal(folder_of(tmp_path, {"phases": [{"prompt": {"file": name}}]}))

    assert answer.code == "invalid_template"
    assert [detail.path for detail in answer.details] == ["/phases/0/prompt/file"]


def test_every_prompt_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    names = ["absent", "binary", "large"]
    document = {"phases": [{"prompt": {"file": f"prompts/{name}.md"}} for name in names]}
    folder = folder_of(tmp_path, document, binary=b"\xff\xfe", large="x" * (MAX_BYTES + 1))

    assert [(d.path, d.got) for d in refusal(folder).details] == [
        (f"/phases/{n}/prompt/file", f"prompts/{name}.md") for n, name in enumerate(names)
    ]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("secret", encoding="utf-8")
    folder = folder_of(tmp_path, {"phases": [{"prompt": {"file": "prompts/p.md"}}]})
    try:
        (folder / "prompts" / "p.md").symlink_to(secret)
    except OSError:
        pytest.skip("this system lets nobody make links")

    assert "is a link" in refusal(folder).details[0].message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[]", "invalid_template"),
        ("{", "invalid_template"),
        ('{"name": "a", "name": "b"}', "invalid_template"),
        ("[" * 100 + "]" * 100, "too_large"),
        (" " * (MAX_BYTES + 1), "too_large"),
    ],
    ids=["a list", "half an object", "a key twice", "too deep", "too large"],
)
def test_a_file_that_holds_no_template_is_refused(tmp_path: Path, content: str, code: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")

    assert refusal(file).code == code


def test_a_template_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing").code == "unknown_template"


@pytest.mark.requirement("S1-16")
def test_a_template_in_the_right_form_is_parsed(plain: Document) -> None:
    template = parse(plain)

    assert [phase.id for phase in template.phases] == ["plan", "code", "review"]
    assert template.limits.max_invalid == 5


@pytest.mark.requirement("S2-30")
def test_parsing_refuses_every_fault_of_form_at_once(plain: Document) -> None:
    plain["phases"][0]["title"] = 5
    plain["phases"][1]["skip"] = "humam"

    with pytest.raises(Refused) as answer:
        parse(plain)

    assert answer.value.code == "invalid_template"
    assert [(detail.path, detail.message) for detail in answer.value.details] == [
        ("/phases/0/title", "must be text, not a number (5)"),
        ("/phases/1/skip", "must be 'never' or 'human' or 'agent', not 'humam'; did you mean 'human'?"),
    ]
    with pytest.raises(Refused, match="1 schema error"):
        parse([])


def test_a_fault_below_a_name_in_brackets_is_reported_with_that_name(plain: Document) -> None:
    plain["roles"] = {"<qa>": {"providr": "x"}}

    with pytest.raises(Refused) as answer:
        parse(plain)

    assert [detail.path for detail in answer.value.details] == ["/roles/<qa>", "/roles/<qa>/providr"]
    assert "did you mean 'provider'?" in answer.value.details[1].message


@pytest.mark.parametrize("version", ["1\x1b[31m", "1\x7f", "1\u202e0", "1\u00a00", "1\n"], ids=ascii)
def test_a_version_has_no_characters_that_do_not_show(plain: Document, version: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(plain | {"version": version})
    assert refused.value.details[0].message.startswith(f"{version!r} is not a version")


def test_a_version_that_is_too_long_is_quoted_in_short(plain: Document) -> None:
    with pytest.raises(Refused) as answer:
        parse(plain | {"version": "1" * 100_000})

    assert len(answer.value.details[0].message) < 300


def test_a_prompt_file_outside_a_folder_is_explained(plain: Document) -> None:
    plain["phases"][0]["prompt"] = {"file": "prompts/plan.md"}

    with pytest.raises(Refused) as answer:
        parse(plain)

    assert "only read from a template folder" in answer.value.details[0].message


def test_defaults_reach_phases_in_loops(design: Document) -> None:
    design["defaults"] = {"timeout": "9m"}

    loop = parse(design).phases[1]

    assert isinstance(loop, LoopPhase)
    assert (loop.timeout, loop.phases[0].timeout) == ("9m", "9m")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"name": ', "the text ends before its JSON is complete, at line 1 column 9"),
        ("{'name': 1}", "a key in double quotes is missing at line 1 column 2"),
        ('{"name": [1,]}', "a comma comes before a closing bracket, at line 1 column 13"),
        ("{} {}", "there is more text after the JSON value, at line 1 column 4"),
        ("// mine\n{}", "no JSON value begins at line 1 column 1"),
        (
            "# mine\nformat: wfe/1\nname: mine\n",
            "no JSON value begins at line 1 column 1; it looks like YAML, and a template is JSON",
        ),
        (
            "---\nname: mine\n",
            "invalid number at line 1 column 2; it looks like YAML, and a template is JSON",
        ),
    ],
)
def test_what_is_no_json_is_named_with_its_place(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "mine.json").write_text(content, encoding="utf-8")

    with pytest.raises(Refused) as refused:
        load_definition(tmp_path / "mine.json")

    assert [detail.message for detail in refused.value.details] == [words]
