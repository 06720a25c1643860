"""Every interface refuses values that JSON cannot represent, and input that breaks a parser."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.work.items import add_item
from wfe_mcp.importers import read_workflow
from wfe_mcp.testing.playground import Playground
from wfe_mcp.views.answers import tool_answers as answers

TITLE: dict[str, Any] = {"type": "object", "properties": {"goal": {}}}
DEEP: Any = json.loads("[" * 900 + "]" * 900)
BAD: list[Any] = [
    {"goal": "\x00"},
    {"goal": {"\x00": 1}},
    {"goal": DEEP},
    {"goal": ["x"] * 200_000},
    {"goal": "v" * 1_200_000},
    {"goal": 10**3_000},
    {"goal": float("nan")},
    {"goal": "\ud800"},
]
CONFIGURATIONS = [
    b"a = " + b"[" * 100_000,
    b"[providers.x.options." + b"a." * 3_000 + b"b]\nc = 1",
    b"a." * 60_000 + b"a = 1",
    b"x = {" + b"'a' . " * 60_000 + b"a = 1}",
    b"x = " + b"9" * 5_000,
    b"\xff\xfe",
    b"a = {b = " * 3_000,
    b'[roles.r]\nprovider = "openai"\nmodel = "a\\u0000"',
    b'["\\u0000"]\na = 1',
    b"x = nan",
    b"\x00",
]


@pytest.mark.attack("roles of a start hold what nothing can keep", "held", "T7")
@pytest.mark.parametrize("roles", [{"\x00": "me"}, {"coder": "\x00"}, {"coder": "v" * 1_200_000}])
def test_roles_that_cannot_be_kept_are_refused(scene: Scene, roles: dict[str, str]) -> None:
    scene.define(phase("plan"))
    no = refused(answers.start_run, scene.engine, AGENT, "drill", roles=roles)
    assert no.code in {"bad_argument", "too_large"}
    assert no.message.startswith("The roles cannot be kept")


@pytest.mark.attack("the text of a work item holds what nothing can keep", "held", "T7")
@pytest.mark.parametrize("body", ["\x00", "a\x00b", "\ud800"])
def test_a_work_item_that_cannot_be_kept_is_refused(scene: Scene, body: str) -> None:
    no = refused(add_item, scene.engine, AGENT, "task", {"title": "Fine", "body": body})
    assert (no.code, no.details[0].path) == ("bad_argument", "/item/body")
    assert refused(add_item, scene.engine, AGENT, "task", {"title": "Fine", "tags": [body]}).code == "bad_argument"


@pytest.mark.attack("a time limit that no clock reaches makes the engine fail", "held", "T7")
@pytest.mark.parametrize("timeout_s", [10**30, float("inf"), float("nan"), 1e14, -1.0])
def test_a_time_limit_that_no_clock_reaches_is_refused(scene: Scene, timeout_s: float) -> None:
    run = scene.start(phase("plan"))
    answers.control_run(scene.engine, HUMAN, run, "pause")
    no = refused(answers.control_run, scene.engine, HUMAN, run, "resume", timeout_s=timeout_s)
    assert no.code == "bad_argument"
    assert scene.status(run).run_state == "paused"


@pytest.mark.attack("inputs of a run hold what nothing can keep, or break the reader", "held", "T7")
@pytest.mark.parametrize("inputs", BAD, ids=range(len(BAD)))
def test_inputs_that_cannot_be_kept_are_refused(scene: Scene, inputs: dict[str, Any]) -> None:
    scene.define(phase("plan"), schema=TITLE)
    assert refused(answers.start_run, scene.engine, AGENT, "drill", inputs).code in {"bad_argument", "too_large"}


@pytest.mark.attack("an artifact holds what nothing can keep, or breaks the reader", "held", "T7")
@pytest.mark.parametrize("artifact", BAD, ids=range(len(BAD)))
def test_artifacts_that_cannot_be_kept_are_refused(scene: Scene, artifact: dict[str, Any]) -> None:
    output = {"artifact": "note", "schema": {"type": "object"}}
    run = scene.start({"id": "plan", "prompt": "x", "output": output})
    scene.begin(run, "plan")
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=artifact)
    assert no.code in {"invalid_artifact", "too_large"}


@pytest.mark.attack("a template holds what nothing can keep, or breaks the reader", "held", "T7")
@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
def test_definitions_that_cannot_be_kept_are_refused(scene: Scene, value: dict[str, Any]) -> None:
    made = scene.define(phase("plan"), trusted=False)
    for place in ("title", "inputs", "phases", "more"):
        no = refused(answers.save_template, scene.engine, AGENT, made | {place: value["goal"]})
        assert no.code == "invalid_template"


@pytest.mark.attack("words of a call hold NUL, or have no end", "held", "T7")
def test_words_that_cannot_be_kept_are_refused_by_every_tool(bugged: Playground) -> None:
    with bugged.agent() as agent:
        run = agent.call("start_run", template="quick_fix", inputs={"problem": "x"})["run"]
        calls: list[tuple[str, dict[str, Any]]] = [
            ("retry_phase", {"run": run, "phase": "reproduce", "feedback": "?"}),
            ("approve", {"run": run, "phase": "reproduce", "comment": "?"}),
            ("skip_phase", {"run": run, "phase": "reproduce", "reason": "?"}),
            ("start_run", {"template": "quick_fix", "title": "?"}),
            ("submit_artifact", {"run": run, "phase": "reproduce", "path": "?"}),
            ("list_templates", {"query": "?"}),
            ("read_artifact", {"run": run, "pointer": "?"}),
            ("start_run", {"template": "quick_fix", "idempotency_key": "?"}),
        ]
        for tool, given in calls:
            for bad, code in (("a\x00b", "bad_argument"), ("x" * 2_000_000, "too_large")):
                answer = agent.call(tool, **{name: bad if value == "?" else value for name, value in given.items()})
                assert answer["error"]["code"] == code, (tool, given)


@pytest.mark.attack("a path that is longer than the system takes", "held", "T5; T7")
def test_a_long_path_is_refused_before_the_system_hears_of_it(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    for path in ("x" * 900, "x/" * 499 + "x", "x" * 5_000):
        assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", path=path).code in {
            "path_outside_project",
            "bad_argument",
        }


@pytest.mark.attack("configuration of a repository breaks its reader, so that nothing works", "held", "T7")
@pytest.mark.parametrize("content", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
@pytest.mark.usefixtures("home")
def test_configuration_that_breaks_its_reader_is_a_problem_and_work_continues(scene: Scene, content: bytes) -> None:
    scene.define(phase("plan"))
    (scene.root / ".wfe" / "config.toml").write_bytes(content)
    (scene.root / "package.json").write_bytes(b"[" * 100_000)
    (scene.root / "pyproject.toml").write_bytes(content)
    for _ in range(2):
        assert scene.engine.settings().problems != []
        assert answers.start_run(scene.engine, AGENT, "drill").ok
        scene.trust_config()
    from wfe_mcp.workspace.discovery.found_checks import find_checks

    assert "test" not in [check.name for check in find_checks(scene.root).checks]


@pytest.mark.attack("a file that is imported grows or makes objects when it is read", "held", "T7; T14")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        ("b.yaml", "a: !!python/object/apply:os.system [id]\n"),
        ("c.yaml", "a: " + "[" * 100),
        ("d.yaml", 'a: "\\0"'),
        ("e.yaml", "a: 1\na: 2\n"),
        ("f.yaml", "a: .nan\n"),
        ("g.json", '{"a": NaN}'),
        ("h.json", '{"a": 1, "a": 2}'),
        ("i.json", "[" * 100_000),
        ("j.json", '{"a": "\\u0000"}'),
        ("k.json", '{"a": "\\ud800"}'),
        ("l.md", "\x00" * 10),
        ("m.json", '"' + "x" * 1_100_000 + '"'),
    ],
)
def test_a_file_that_is_imported_is_data_and_small(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(Refused):
        read_workflow(tmp_path / name)


@pytest.mark.attack("inputs at the command line hold what nothing can keep", "held", "T7")
def test_inputs_at_the_command_line_are_read_by_the_same_rules(cli: Terminal) -> None:
    (cli.root / "in.json").write_text("[" * 100_000)
    for given in (
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        "[" * 50_000,
        "@in.json",
        "@none.json",
    ):
        assert cli("start", "note", "--inputs", given).code == 2, given[:40]
    assert cli.json("start", "note", "--title", "\udcff").refusal == "bad_argument"
    assert cli.json("start", "note", "--title", "x" * 3_000).refusal == "too_large"
    assert cli("trust", "--yes", pin=PIN).code == 0
