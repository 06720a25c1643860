"""The shipped templates start, and require what they declare."""

import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from tests.gates.scenes import Submitted
from tests.tokenizer import tokens
from wfe_mcp.artifacts.completeness import questions
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.expr import judge
from wfe_mcp.resources import shipped_folder
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workflow.expressions import Expressions
from wfe_mcp.workflow.lint import LintReport, ProjectNames, lint
from wfe_mcp.workflow.load import digest, load_definition, parse
from wfe_mcp.workflow.model.gates import ExprGate

TEMPLATES = sorted(
    folder.name for folder in shipped_folder("templates").iterdir() if (folder / "template.json").is_file()
)
SECTIONS = ["Role", "Inputs", "Done means", "Example", "If it fails"]
# jpa_mt: the texts of its scopes and tenant patterns, of which a run renders one each.
PROMPT_TOKENS = {"quick_fix": 250, "jpa_mt": 720}
NEEDS_NO_CHECK = {"deploy", "plan_generate_review"}


@cache
def template(name: str) -> dict[str, Any]:
    return load_definition(shipped_folder("templates") / name)


@cache
def report(name: str) -> LintReport:
    return lint(template(name))


def gates(of: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [gate for gate in of["gates"] if gate["kind"] == kind]


def working(phases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The phases in which someone works: those inside loops, and neither the loops nor what the server does itself."""
    yield from (each for each in leaves(phases) if each.get("kind") != "steps")


def opinions(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each phase that other models look at, with its gate."""
    return [
        (each, gate)
        for each in leaves(template(name)["phases"])
        for gate in each.get("gates", ())
        if gate["kind"] == "opinion"
    ]


def leaves(phases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The phases of all depths that are no loops."""
    for each in phases:
        if "phases" in each:
            yield from leaves(each["phases"])
        else:
            yield each


WORKED = [name for name in TEMPLATES if list(working(template(name)["phases"]))]
"""The templates in which someone works; the others are what the server does after an approval."""


def all_phases() -> list[Any]:
    return [
        pytest.param(name, each, id=f"{name}-{each['id']}")
        for name in TEMPLATES
        for each in working(template(name)["phases"])
    ]


def example_in(prompt: str) -> object:
    found = re.search(r"^```json\n(.*?)\n```$", prompt, re.MULTILINE | re.DOTALL)
    assert found is not None, "the prompt shows no example"
    return cast("object", json.loads(found[1]))


def test_these_templates_are_shipped() -> None:
    assert {
        "ci_failure_handler",
        "compound",
        "dependency_update",
        "deploy",
        "fix_deploy_failure",
        "incident",
        "issue_to_pr",
        "issue_triage",
        "jpa_mt",
        "milestones",
        "plan_generate_review",
        "pr_review_workflow",
        "quick_fix",
        "recovery",
        "role_pipeline",
        "spec_driven",
    } <= set(TEMPLATES)


def test_one_answer_lists_them_all(project: Playground) -> None:
    with project.agent() as agent:
        data = agent.call("list_templates")["data"]
    assert sorted(line["name"] for line in data["templates"]) == TEMPLATES
    assert all(line["inputs"]["required"] for line in data["templates"])
    assert "cut" not in data
    names, marks = zip(*((line["name"], bool(line.get("niche"))) for line in data["templates"]), strict=True)
    assert names[:6] == ("compound", "issue_to_pr", "milestones", "plan_generate_review", "quick_fix", "spec_driven")
    assert list(marks) == [False] * 6 + [True] * (len(TEMPLATES) - 6), "those for special cases come last"


def test_the_readme_says_how_many_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    numbers = {15: "Fifteen", 16: "Sixteen", 17: "Seventeen", 18: "Eighteen", 19: "Nineteen", 20: "Twenty"}
    assert f"**{numbers[len(TEMPLATES)]} workflows** come with it" in readme


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_shipped_template_lints_clean(name: str) -> None:
    assert report(name).errors == ()
    assert report(name).warnings == ()
    assert template(name)["name"] == name


@pytest.mark.parametrize("name", TEMPLATES)
def test_title_description_and_inputs_say_what_the_template_is_for(name: str) -> None:
    definition = template(name)
    assert 10 <= len(definition["title"]) <= 80
    assert 40 <= len(definition["description"]) <= 300
    for key, wanted in definition["inputs"]["properties"].items():
        assert wanted["description"], key
        assert wanted["examples"], key
    filled = {key: wanted["examples"][0] for key, wanted in definition["inputs"]["properties"].items()}
    assert validate(definition["inputs"], filled).faults == ()
    assert validate(definition["inputs"], {}).faults, "a run without inputs says nothing about its goal"


@pytest.mark.parametrize(
    ("name", "checks", "servers"),
    [
        ("ci_failure_handler", ("push", "test"), ("github",)),
        ("compound", ("test",), ()),
        ("dependency_update", ("push", "test"), ("github",)),
        ("fix_deploy_failure", ("push", "test"), ("deploy", "github", "observability")),
        ("incident", ("test",), ()),
        ("issue_to_pr", ("push", "test"), ("github",)),
        ("issue_triage", (), ("github",)),
        ("jpa_mt", ("test",), ()),
        ("milestones", ("test",), ()),
        ("plan_generate_review", ("test",), ()),
        ("pr_review_workflow", (), ("github",)),
        ("quick_fix", ("test",), ()),
        ("recovery", ("test",), ()),
        ("role_pipeline", ("security", "test"), ()),
        ("spec_driven", ("test",), ()),
    ],
)
def test_a_template_requires_checks_servers_and_reviewers_that_may_be_missing(
    name: str, checks: tuple[str, ...], servers: tuple[str, ...]
) -> None:
    requires = report(name).requires
    roles = ("reviewer", "second") if name == "compound" else ("reviewer",)
    assert (requires.checks, requires.roles, requires.servers) == (checks, roles, servers)
    assert [word for word in (*servers, *checks) if word not in template(name)["description"]] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_project_with_what_it_requires_can_start_it_and_one_without_learns_why_not(name: str) -> None:
    servers = report(name).requires.servers
    there = ProjectNames(checks=frozenset({"test", "push", "security"}), servers=frozenset(servers))
    assert lint(template(name), there).errors == ()
    missing = lint(template(name), ProjectNames())
    assert bool(missing.errors) is (name not in NEEDS_NO_CHECK)
    assert {fault.path.rsplit("/", 1)[1] for fault in missing.errors} <= {"check", "tool"}


@pytest.mark.requirement("S3-17")
@pytest.mark.parametrize(("name", "each"), all_phases())
def test_a_prompt_says_role_inputs_done_example_and_what_to_do_on_failure(name: str, each: dict[str, Any]) -> None:
    assert re.findall(r"^## (.+)$", each["prompt"], re.MULTILINE) == SECTIONS
    assert "`feedback`" in each["prompt"], "what a loop back brings is delivered there"


@pytest.mark.parametrize(("name", "each"), all_phases())
def test_the_example_in_a_prompt_is_a_valid_artifact_of_its_phase(name: str, each: dict[str, Any]) -> None:
    schema, example = each["output"]["schema"], example_in(each["prompt"])
    assert (validate(schema, example).faults, questions(str(schema), example)) == ((), ())


INPUTS: dict[str, dict[str, Any]] = {
    "incident": {"service": "shop"},
    "dependency_update": {"packages": []},
    "issue_triage": {
        "labels": ["bug", "area: parser", "kind/bug", "prio:high", "billing", "crash"],
        "milestones": ["3.1", "v1.2"],
    },
    "jpa_mt": {"scope": "domain", "tenancy": "filter"},
}
"""What the examples are about, by template, beside the defaults of its inputs."""


def own_gates() -> list[Any]:
    """Each rule about nothing but inputs and the artifact of its own phase, with the examples that must pass it."""
    return [
        pytest.param(name, each, gate, id=f"{name}-{each['id']}-{number}")
        for name in TEMPLATES
        for each in working(template(name)["phases"])
        for number, gate in enumerate(gates({"gates": each.get("gates", ())}, "expr"))
        if set(re.findall(r"\b(artifacts\.\w+|milestone\b)", gate["assert"]))
        <= {f"artifacts.{each['output']['artifact']}"}
    ]


@pytest.mark.parametrize(("name", "each", "gate"), own_gates())
def test_the_examples_pass_the_rules_of_the_phase_that_uses_them(
    name: str, each: dict[str, Any], gate: dict[str, Any]
) -> None:
    properties: dict[str, Any] = template(name)["inputs"]["properties"]
    defaults = {key: one["default"] for key, one in properties.items() if "default" in one}
    examples = [example_in(each["prompt"])]
    of_project = "inputs.rules" in gate["assert"]  # only the example of the prompt names rules of the project
    if isinstance(schema := each["output"]["schema"], str) and not of_project:
        examples += json.loads((shipped_folder("schemas") / f"{schema}.schema.json").read_text(encoding="utf-8"))[
            "examples"
        ]
    for value in cast("list[dict[str, Any]]", examples):
        place = {"place": str(value.get("fingerprint", "")).partition(":")[2]} if name == "recovery" else {}
        values = {"artifacts": {each["output"]["artifact"]: value}, "inputs": defaults | INPUTS.get(name, {}) | place}
        judged = judge(ExprGate.model_validate(gate), Submitted(values=values))
        assert judged.kind is VerdictKind.PASS, judged.message


def rules(of: Any) -> Iterator[dict[str, Any]]:
    """Every ``expr`` gate below ``of``."""
    if isinstance(of, dict):
        held = cast("dict[str, Any]", of)
        if held.get("kind") == "expr":
            yield held
        for each in held.values():
            yield from rules(each)
    elif isinstance(of, list):
        for each in cast("list[Any]", of):
            yield from rules(each)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_rule_has_a_sentence_for_people(name: str) -> None:
    for gate in rules(template(name)["phases"]):
        assert re.fullmatch(r"[A-Z][^$={}&|]{9,110}[^.]", gate["rule"]), gate


@pytest.mark.parametrize(("name", "each"), all_phases())
def test_a_prompt_is_short(name: str, each: dict[str, Any]) -> None:
    assert tokens(each["prompt"]) <= PROMPT_TOKENS.get(name, 450)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_small_enough_to_be_shown_whole(name: str) -> None:
    assert len(json.dumps(template(name)).encode()) < {"quick_fix": 5_200, "jpa_mt": 26_000}.get(name, 20_000)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_copy_with_windows_line_ends_has_the_same_digest(name: str, tmp_path: Path) -> None:
    copy = tmp_path / name
    shutil.copytree(shipped_folder("templates") / name, copy)
    for file in [copy / "template.json", *copy.glob("prompts/*.md")]:
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert digest(load_definition(copy)) == digest(template(name))
    assert re.fullmatch(r"[0-9a-f]{64}", digest(template(name)))


@pytest.mark.parametrize("name", WORKED)
def test_every_prompt_file_is_used_by_one_phase(name: str) -> None:
    files = {file.stem for file in (shipped_folder("templates") / name / "prompts").iterdir()}
    phases = [each["id"] for each in working(template(name)["phases"])]
    assert files == {*phases, *(f"review-{each['id']}" for each, _ in opinions(name))}
    for each, gate in opinions(name):
        file = shipped_folder("templates") / name / "prompts" / f"review-{each['id']}.md"
        assert gate["criteria"] == file.read_text(encoding="utf-8").replace("\r\n", "\n"), each["id"]


@pytest.mark.parametrize("name", WORKED)
def test_another_model_looks_where_one_is_configured_and_nowhere_else(name: str) -> None:
    assert opinions(name)
    asked = {role for _, gate in opinions(name) for role in gate["reviewers"]}
    assert asked == {role for role, answer in template(name)["roles"].items() if "provider" in answer}
    assert asked.isdisjoint({each.get("role") for each in leaves(template(name)["phases"])})
    for each, gate in opinions(name):
        assert gate["if_missing"] == "note", each["id"]
        assert gate.get("quorum", 1) <= len(gate["reviewers"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_models_look_after_the_evidence_and_before_the_person_who_decides_anyway(name: str) -> None:
    for each, gate in opinions(name):
        kinds = [one["kind"] for one in each["gates"]]
        assert kinds[kinds.index("opinion") + 1 :] in ([], ["approval"]), each["id"]
        a_person_follows = kinds[-1] == "approval" or name == "fix_deploy_failure"
        assert (gate.get("on_provider_error") == "warn") is a_person_follows, each["id"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_reviewers_judge_by_asks_questions_says_what_fails_and_is_short(name: str) -> None:
    for each, gate in opinions(name):
        assert gate["criteria"].count("?") >= 3, each["id"]
        assert "\n`fail`: " in gate["criteria"], each["id"]
        assert tokens(gate["criteria"]) <= 220, each["id"]


@pytest.mark.requirement("S0-32")
@pytest.mark.parametrize(
    ("name", "phases"),
    [("plan_generate_review", {"plan", "generate", "revise", "review"}), ("jpa_mt", {"plan", "generate", "revise"})],
)
def test_reviewers_of_what_was_ai_workflow_engine_may_submit_a_better_version(name: str, phases: set[str]) -> None:
    assert {each["id"] for each, gate in opinions(name) if gate.get("allow_rewrite")} == phases


@pytest.mark.requirement("S2-19")
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_cannot_be_undone_waits_for_words_that_a_person_types(name: str) -> None:
    for each in leaves(template(name)["phases"]):
        called = {step.get("tool") for step in each.get("steps", ())}
        if called & {"github.merge_pull_request", "deploy.rollback_service"}:
            (asked,) = each["prompt_gates"]
            assert (asked["kind"], asked["assurance"]) == ("approval", "human")
            assert asked["phrase"].startswith("YES ")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_call_that_makes_something_is_never_repeated_unasked(name: str) -> None:
    for each in leaves(template(name)["phases"]):
        for step in each.get("steps", ()):
            tool = str(step.get("tool")).rsplit(".", 1)[-1]
            reads = tool.startswith(("get_", "list_", "issue_read", "pull_request_read"))
            reads |= str(step.get("params", {}).get("method")).startswith(("get_", "list_"))
            reads |= step.get("builtin") == "forge.status"  # it asks the forge, and is no operation
            assert reads or "retry" not in step, (each["id"], step["id"])


@pytest.mark.parametrize("name", WORKED)
def test_a_prompt_still_renders_when_a_person_skipped_a_phase_before_it(name: str) -> None:
    given = {key: wanted["examples"][0] for key, wanted in template(name)["inputs"]["properties"].items()}
    texts: list[object] = []
    roots = {"inputs": given, "artifacts": {}, "vars": {}, "run": {"id": "r-1", "iteration": 1, "delivery": "none"}}
    walk(Expressions.of(parse(template(name))), template(name)["phases"], roots, texts)
    assert texts
    assert [text for text in texts if not isinstance(text, str) or "${" in text] == []


def walk(
    expressions: Expressions, phases: list[dict[str, Any]], roots: dict[str, Any], texts: list[object]
) -> dict[str, Any]:
    """The artifacts of ``phases`` where all that may be skipped was skipped; their prompts are added to ``texts``."""
    kept: dict[str, Any] = {}
    for each in phases:
        seen = roots | {"artifacts": roots["artifacts"] | kept}
        if "when" in each and not expressions.is_true(each["when"], seen):
            continue
        if "phases" in each:
            done: dict[str, Any] = {}
            for item in items(expressions, each, seen):
                inside = {
                    each.get("for_each", {}).get("as", "item"): item["value"],
                    "item": item | {"done": dict(done)},
                }
                done[item["key"]] = walk(expressions, each["phases"], seen | inside, texts)
            names = {artifact for made in done.values() for artifact in made}
            kept |= {one: {key: made[one] for key, made in done.items() if one in made} for one in names}
            continue
        if each.get("kind") != "steps":
            texts.append(expressions.evaluate(each["prompt"], seen))
        if each.get("skip") == "never" and "output" in each:
            made = example_in(each["prompt"]) if "prompt" in each else each["output"]["schema"]["examples"][0]
            kept[each["output"]["artifact"]] = made
    return kept


def items(expressions: Expressions, loop: dict[str, Any], seen: dict[str, Any]) -> list[dict[str, Any]]:
    """What the loop walks over; of an ``until`` two passes."""
    if "until" in loop:
        return [{"key": str(at + 1), "index": at, "count": at + 1, "value": {}} for at in range(2)]
    values = cast("list[dict[str, Any]]", expressions.evaluate(loop["for_each"]["in"], seen))
    return [
        {"key": value.get("id", str(at)), "index": at, "count": len(values), "value": value}
        for at, value in enumerate(values)
    ]
