"""Lint refuses definitions above a limit at once, and needs no more than near-linear work below it."""

from typing import Any

import pytest

from wfe_mcp.core import limits
from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.flows import whole
from wfe_mcp.workflow.lint import expressions as lint_expressions, lint
from wfe_mcp.workflow.lint.report import OF_TEMPLATES, sizes_of
from wfe_mcp.workflow.lint.scope import Order
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.model.phases import LoopPhase

Document = dict[str, Any]
MANY = 12_000
UNLIMITED = tuple(limits.Limit(10**9, each.unit, each.of, each.remedy) for each in OF_TEMPLATES)


def note(name: str, **keys: Any) -> Document:
    return {"id": name, "prompt": "Do it.", "output": {"artifact": name, "schema": "plan@1"}, **keys}


def template(*phases: Document, **keys: Any) -> Document:
    return {"format": "wfe/1", "name": "big", "version": "1.0.0", "phases": list(phases), **keys}


def chain(count: int) -> Document:
    """Each phase reads what the one before it made."""
    read = [note(f"p{n}", prompt=f"Go on with ${{artifacts.p{n - 1}.title}}." if n else "Begin.") for n in range(count)]
    for phase in read:
        phase["output"] = {**phase["output"], "schema": {"type": "object"}}
    return template(*read)


def in_loops(depth: int) -> Document:
    inner = note("work")
    for level in range(depth):
        inner = {"id": f"l{level}", "kind": "loop", "until": {"if": "${true}", "max": 2}, "phases": [inner]}
    return template(inner)


def with_schema(schema: Document) -> Document:
    return template(note("a") | {"output": {"artifact": "a", "schema": {"type": "object", **schema}}})


TOO_LARGE: list[tuple[limits.Limit, Document | None, int, str]] = [
    (limits.PHASES, None, MANY, "/phases"),  # a chain of so many is made when its test runs: every process lists them
    (limits.LOOP_DEPTH, in_loops(17), 17, "/phases"),
    (limits.LOCKS, template(*(note(f"p{n}", locks=[f"l{n}"]) for n in range(101))), 101, ""),
    (limits.EXPRESSIONS, template(note("a", prompt="${inputs.goal}" * 2_001)), 2_001, ""),
    (limits.SCHEMAS, with_schema({"anyOf": [{}] * 5_000}), 5_001, ""),
    (limits.REFERENCES, with_schema({"anyOf": [{"$ref": "#"}] * 1_001}), 1_001, ""),
    (limits.TEMPLATE_PARTS, template(note("a", context=["x"] * 30_000)), 30_012, ""),
]


@pytest.mark.parametrize(("limit", "made", "found", "where"), TOO_LARGE, ids=[row[0].unit for row in TOO_LARGE])
def test_a_template_above_a_limit_is_refused_with_the_limit_what_was_found_and_what_to_do(
    limit: limits.Limit, made: Document | None, found: int, where: str
) -> None:
    made = made or chain(found)
    (fault,) = [each for each in lint(made).errors if f" {limit.unit};" in each.message]

    assert (fault.path, fault.expected) == (where, limit.most)
    assert sizes_of(made)[limit] == found == fault.got
    assert f"has {found:,} {limit.unit}; at most {limit.most:,} are allowed" in fault.message
    assert limit.remedy.rstrip(".") in fault.message


def test_values_and_prompts_of_other_keys_are_not_counted_as_phases() -> None:
    made = template(note("a"), outputs={"phases": ["x"] * 3}, inputs={"type": "object", "properties": {"phases": {}}})

    assert sizes_of(made)[limits.PHASES] == 1


def test_a_stored_template_above_a_limit_can_still_be_read() -> None:
    assert len(parse(chain(1_200)).phases) == 1_200


def test_a_template_of_a_thousand_phases_is_right() -> None:
    assert lint(chain(limits.PHASES.most)).ok


def test_expressions_of_a_large_template_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names declared to the expression language do not grow with the template, which made lint quadratic."""
    declared: dict[str, int] = {}
    compiled = lint_expressions._compile_type  # pyright: ignore[reportPrivateUsage] - the counted operation

    def counted(source: str, names: frozenset[str]) -> Any:
        declared[source] = len(names)
        return compiled(source, names)

    monkeypatch.setattr(lint_expressions, "_compile_type", counted)

    assert lint(chain(MANY // 4), allowed=UNLIMITED).ok
    assert len(declared) == MANY // 4 - 1
    assert max(declared.values()) == 1


def test_what_a_phase_needs_indirectly_is_known_for_any_order_and_for_cycles() -> None:
    needs = {"a": ["d"], "b": [], "c": ["a", "b"], "d": ["b"], "e": ["f"], "f": ["e"], "g": ["e"], "h": ["h", "gone"]}
    order = Order(parse(template(*(note(name, needs=given) for name, given in needs.items()))).phases)

    before = {
        name: {other for at, other in enumerate(order.ids) if order.is_before(at, index)}
        for index, name in enumerate(order.ids)
    }
    assert before == {
        "a": {"b", "d"},
        "b": set(),
        "c": {"a", "b", "d"},
        "d": {"b"},
        "e": {"e", "f"},
        "f": {"e", "f"},
        "g": {"e", "f"},
        "h": {"h"},
    }


def test_lint_lists_two_hundred_errors_and_says_that_there_are_more() -> None:
    unknown_roles = lint(template(*(note(f"p{n}", role="nobody") for n in range(300))))
    unknown_keys = lint(template(*(note(f"p{n}", odd=1) for n in range(300))))
    wrong_names = lint(template(*(note(f"p{n}", prompt="${inputs.x}") for n in range(300))))

    for report in (unknown_roles, unknown_keys, wrong_names):
        assert len(report.errors) in {200, 201}
    for report in (unknown_roles, unknown_keys):
        assert report.errors[-1].message == "more errors follow; these are the first 200"


def test_the_nearest_of_very_many_names_is_found() -> None:
    phases = [note(f"phase_{n}_of_many") for n in range(900)]

    (fault,) = lint(template(note("first"), *phases, note("last", needs=["frist"]))).errors

    assert "did you mean 'first'?" in fault.message


def test_templates_inside_each_other_are_counted_together() -> None:
    flow: Document = {"kind": "flow", "with": {}}
    bottom = template(*(note(f"p{n}") for n in range(100)), name="bottom") | {"name": "bottom"}
    middle = template(*({**flow, "id": f"m{n}", "template": "bottom"} for n in range(5))) | {"name": "middle"}
    top = template(*({**flow, "id": f"t{n}", "template": "middle"} for n in range(5))) | {"name": "top"}
    known = {"bottom": bottom, "middle": middle}

    faults = whole(top, known.__getitem__).faults

    assert {refused.code for _, refused in faults} == {"too_large"}
    assert faults[0][0].path == "/phases/1/definition/phases/4/template"
    assert (
        "The template with those it runs has at least 1,015 phases; at most 1,000 are allowed" in faults[0][0].message
    )


def test_a_long_text_that_is_embedded_many_times_is_refused_before_it_is_copied() -> None:
    long = template(note("p", prompt="x" * 600_000)) | {"name": "long"}
    top = template(*({"kind": "flow", "id": f"t{n}", "template": "long"} for n in range(900)))

    made = whole(top, {"long": long}.__getitem__)

    assert len(made.faults) == 899
    with pytest.raises(Refused, match=r"has at least 1,200,... bytes"):
        raise made.faults[0][1]


def test_a_loop_sees_the_artifacts_of_all_its_phases_after_a_pass() -> None:
    loop: Document = {
        "id": "l",
        "kind": "loop",
        "until": {"if": "${artifacts.b.title != ''}", "max": 3},
        "phases": [note("a"), note("b")],
    }
    for phase in loop["phases"]:
        phase["output"]["schema"] = {"type": "object"}

    assert lint(template(loop)).ok
    assert isinstance(parse(template(loop)).phases[0], LoopPhase)
