"""The templates inside a template, and whether they can run there."""

import copy
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.flows import MAX_DEPTH, held_template, inputs_of, whole
from wfe_mcp.workflow.lint import ProjectNames, lint
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.model.phases import FlowPhase
from wfe_mcp.workflow.projection import project

Document = dict[str, Any]
NOTE = {"artifact": "note", "schema": {"type": "object"}}
TITLED = {
    "type": "object",
    "required": ["title", "size"],
    "properties": {"title": {"type": "string"}, "loud": {"type": "boolean"}, "size": {"type": "integer", "default": 3}},
}


def template(name: str, *phases: Document, **keys: Any) -> Document:
    held = phases or ({"id": "note", "output": NOTE},)
    return {"format": "wfe/1", "name": name, "version": "1.0.0", "phases": list(held), **keys}


def flow(name: str, **keys: Any) -> Document:
    return {"id": f"run_{name}", "kind": "flow", "template": name, **keys}


def there(*templates: Document) -> Any:
    known = {str(one["name"]): one for one in templates}

    def find(name: str) -> Document:
        if name not in known:
            raise Refused("unknown_template", f"No template is called {name!r}.")
        return known[name]

    return find


def test_a_template_holds_those_it_names_and_those_they_name_also_in_loops() -> None:
    loop = {"id": "walk", "kind": "loop", "for_each": {"in": "${[1]}"}, "phases": [flow("b")]}
    outer = template("outer", flow("a"), loop)
    before = copy.deepcopy(outer)

    made = whole(outer, there(template("a", flow("b")), template("b")))

    assert made.faults == ()
    assert made.definition["phases"][0]["definition"]["phases"][0]["definition"]["name"] == "b"
    assert made.definition["phases"][1]["phases"][0]["definition"]["name"] == "b"
    assert outer == before, "what was given is not changed"
    assert whole(made.definition, there()).definition == made.definition, "what is there needs nothing from outside"


def test_what_has_no_form_of_a_template_is_left_as_it_is() -> None:
    for odd in (
        {"phases": [flow("a", definition="a")]},
        {"phases": 3},
        {"phases": [3, {"kind": "flow"}, {"kind": "flow", "template": 3}]},
        {},
    ):
        assert whole(odd, there()).definition == odd


def test_what_cannot_be_put_in_is_reported_at_its_place() -> None:
    made = whole(template("outer", flow("gone"), flow("a")), there(template("a", flow("outer"))))

    assert [(detail.path, detail.message) for detail, _ in made.faults] == [
        ("/phases/0/template", "No template is called 'gone'"),
        (
            "/phases/1/definition/phases/0/template",
            "Template 'outer' would contain itself: outer → a → outer. Remove one of these references",
        ),
    ]


def test_a_template_that_is_not_there_is_reported_with_the_nearest_name() -> None:
    def find(name: str) -> Document:
        raise Refused("unknown_template", f"No template is called {name!r}.", "Did you mean 'release'?")

    ((detail, _),) = whole(template("outer", flow("relase")), find).faults
    assert detail.message == "No template is called 'relase'. Did you mean 'release'?"


def test_loops_nest_five_deep_at_most() -> None:
    chain = [template(f"t{number}", flow(f"t{number + 1}")) for number in range(MAX_DEPTH + 1)]

    assert whole(chain[1], there(*chain, template(f"t{MAX_DEPTH + 1}"))).faults == ()
    ((detail, refused),) = whole(chain[0], there(*chain, template(f"t{MAX_DEPTH + 1}"))).faults
    assert refused.code == "invalid_template"
    assert detail.message.startswith("More than 5 levels of templates are nested: t0 → t1")


def test_a_template_that_is_not_there_yet_is_required_and_cannot_be_run() -> None:
    outer = template("outer", flow("a"))
    report = lint(outer)
    assert (report.ok, report.requires.templates) == (True, ("a",))
    phase = parse(outer).phases[0]
    assert isinstance(phase, FlowPhase)
    with pytest.raises(Refused, match="is not embedded yet"):
        held_template(phase)
    with pytest.raises(Refused, match="is not embedded yet"):
        project(parse(outer))


def test_what_it_needs_of_the_project_the_outer_one_needs() -> None:
    gated = {"id": "note", "output": NOTE, "gates": [{"kind": "command", "check": "test"}], "role": "dev"}
    call = {"id": "ci", "kind": "steps", "steps": [{"id": "say", "tool": "hub.say"}]}
    a = template("a", gated, call, flow("later"), roles={"dev": {"provider": "second"}})
    report = lint(template("outer", flow("a", definition=a)))

    assert report.ok
    needs = report.requires
    assert (needs.checks, needs.roles, needs.servers, needs.templates) == (("test",), ("second",), ("hub",), ("later",))
    inside = lint(
        template("outer", flow("a", definition=a)),
        ProjectNames(roles=frozenset({"second"}), servers=frozenset({"hub"})),
    )
    assert [error.path for error in inside.errors] == ["/phases/0/template"]
    assert "at /phases/0/gates/0/check: the project has no check 'test'" in inside.errors[0].message


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"title": "x"}, []),
        (
            {"title": "x", "titel": 1},
            [("/phases/0/with/titel", "template 'a' has no input 'titel'; did you mean 'title'?")],
        ),
        ({"title": "x", "zzz": 1}, [("/phases/0/with/zzz", "template 'a' has no input 'zzz'")]),
        ({}, [("/phases/0/with", "template 'a' needs the input 'title'")]),
        ({"title": 5}, [("/phases/0/with/title", "must be text, found a number")]),
        ({"title": "x", "size": "${1}"}, []),
    ],
)
def test_with_gives_what_the_template_takes(given: Document, answer: list[tuple[str, str]]) -> None:
    outer = template("outer", flow("a", definition=template("a", inputs=TITLED), **{"with": given}))
    assert [(error.path, error.message) for error in lint(outer).errors] == answer


def test_a_template_that_takes_anything_is_given_anything() -> None:
    open_ = template("a", inputs={"type": "object", "additionalProperties": True})
    assert lint(template("outer", flow("a", definition=open_, **{"with": {"odd": 1}}))).ok


def test_defaults_of_inputs_fill_in_and_unknown_names_are_wrong() -> None:
    inner = parse(template("a", inputs=TITLED))
    assert inputs_of(inner, {"title": "x"}) == ({"title": "x", "size": 3}, ())
    _, faults = inputs_of(inner, {"title": 1, "odd": 1})
    assert len(faults) == 2


def test_an_input_whose_schema_is_true_takes_any_value() -> None:
    inner = template("a", inputs={"type": "object", "required": ["any"], "properties": {"any": True}})
    outer = lint(template("outer", flow("a", definition=inner)))
    assert [error.message for error in outer.errors] == ["template 'a' needs the input 'any'"]
    assert inputs_of(parse(inner), {"any": [1]}) == ({"any": [1]}, ())


def test_what_a_flow_submits_is_made_by_its_template() -> None:
    outer = template("outer", flow("a", definition=template("a"), output=NOTE | {"editable": True}))
    report = lint(outer)
    assert [error.path for error in report.errors] == ["/phases/0/output/editable"]
    assert [warning.path for warning in report.warnings] == ["/phases/0/output"]


def test_locks_inside_are_in_one_order_with_those_around() -> None:
    def holds(name: str, held: str, wanted: str) -> Document:
        inner = template(name, {"id": f"in_{name}", "output": NOTE, "locks": [wanted]})
        return flow(name, locks=[held], definition=inner)

    assert lint(template("outer", holds("a", "x", "y"), holds("b", "y", "z"))).ok
    errors = lint(template("outer", holds("a", "x", "y"), holds("b", "y", "x"))).errors
    assert [error.path for error in errors] == ["/phases/0/template", "/phases/1/template"]
    assert "'in_a' waits for the lock 'y' while 'run_a' holds 'x'" in errors[0].message


def test_a_bundle_inside_names_its_scope() -> None:
    def held(scope: str) -> Document:
        note = {"id": "note", "output": NOTE, "context": [{"bundle": "java", "scope": scope}]}
        return template("outer", flow("a", definition=template("a", note, inputs=TITLED), **{"with": {"title": "x"}}))

    assert lint(held("api")).ok
    (error,) = lint(held("${inputs.title}")).errors
    assert error.path == "/phases/0/template"
    assert "is unknown when the run starts" in error.message


def test_a_definition_that_is_no_template_is_reported_at_the_name() -> None:
    report = lint(template("outer", flow("a", locks=["x"], definition={"format": "wfe/1", "name": "a"})))
    assert {error.path for error in report.errors} == {"/phases/0/template"}


def test_the_machine_sees_the_phases_inside_with_jumps_that_stay_there() -> None:
    review = {
        "id": "review",
        "output": {"artifact": "review", "schema": {"type": "object"}},
        "next": [{"goto": "note", "max": 1}],
    }
    inner = template(
        "a",
        {"id": "note", "output": NOTE, "role": "dev"},
        review,
        roles={"dev": {"provider": "second"}},
        limits={"timeout": "5m"},
    )
    spec = project(
        parse(
            template(
                "outer", flow("a", definition=inner, output=NOTE), {"id": "end", "output": NOTE | {"artifact": "end"}}
            )
        )
    )

    assert [phase.path for phase in spec.phases] == ["run_a", "run_a.note", "run_a.review", "end"]
    outer, note, review_, end = spec.phases
    assert outer.loop is not None
    assert (outer.loop.flow, outer.loop.outputs, outer.timeout_s, note.parent, note.served) == (
        True,
        True,
        300,
        "run_a",
        True,
    )
    assert (review_.next[0].goto, end.needs) == ("run_a.note", ("run_a",))


def recovering(**keys: Any) -> Document:
    rule = {"do": "subflow", "template": "a", "max_attempts": 2} | keys
    return {"id": "code", "output": NOTE | {"artifact": "code"}, "on_fail": [rule]}


def test_a_recovery_is_held_like_a_flow_also_in_the_defaults() -> None:
    outer = template("outer", recovering(), {"id": "odd", "on_fail": [3, {"do": "subflow", "template": 3}]})
    made = whole(outer | {"defaults": {"on_fail": [{"do": "subflow", "template": "gone"}]}}, there(template("a")))
    assert made.definition["phases"][0]["on_fail"][0]["definition"]["name"] == "a"
    assert [detail.path for detail, _ in made.faults] == ["/defaults/on_fail/0/template"]


def test_lint_looks_into_a_recovery() -> None:
    inner = template("a", {"id": "note", "output": NOTE, "prompt": "${inputs.nothing} ${inputs.title}"}, inputs=TITLED)
    errors = lint(template("outer", recovering(definition=inner, **{"with": {"title": "${artifacts.code} ${"}}))).errors
    assert {error.path for error in errors} == {"/phases/0/on_fail/0/template", "/phases/0/on_fail/0/with/title"}
    assert lint(template("outer", recovering())).requires.templates == ("a",)
    fine = template("a", inputs=TITLED)
    assert lint(template("outer", recovering(definition=fine, **{"with": {"title": "${artifacts.code.title}"}}))).ok


def test_a_phase_has_one_recovery_and_a_loop_or_flow_none() -> None:
    twice = recovering() | {"on_fail": [{"do": "subflow", "template": "a"}, {"do": "subflow", "template": "b"}]}
    held = {"id": "walk", "kind": "loop", "for_each": {"in": "${[1]}"}, "phases": [template("x")["phases"][0]]}
    errors = lint(template("outer", twice, held | {"on_fail": [{"do": "subflow", "template": "a"}]})).errors
    assert [error.path for error in errors] == ["/phases/0/on_fail/1", "/phases/1/on_fail/0"]


def test_locks_of_a_recovery_are_in_one_order_with_those_around() -> None:
    def walk(name: str, held: str, wanted: str) -> Document:
        inner = template("a", {"id": f"in_{name}", "output": NOTE, "locks": [wanted]})
        body = recovering(definition=inner) | {"output": {"artifact": name, "schema": {"type": "object"}}}
        return {"id": name, "kind": "loop", "for_each": {"in": "${[1]}"}, "locks": [held], "phases": [body]}

    errors = lint(template("outer", walk("b", "x", "y"), walk("c", "y", "x"))).errors
    assert [error.path for error in errors] == ["/phases/0/phases/0", "/phases/1/phases/0"]


def test_the_machine_sees_the_phases_of_a_recovery_below_the_phase_that_fails() -> None:
    spec = project(parse(template("outer", recovering(definition=template("a"), **{"with": {"x": 1}}))))
    code, note = spec.phases
    assert (note.path, note.parent, code.loop) == ("code.note", "code", None)
    assert code.recovery is not None
    assert (code.recovery.items, code.on_fail[0].do, code.on_fail[0].max_uses) == ('{"x":1}', "subflow", 2)


def test_the_machine_knows_a_compensation_and_a_flow_may_submit_nothing() -> None:
    undone = {
        "id": "code",
        "output": NOTE,
        "on_fail": [{"do": "compensate"}],
        "compensate": [{"id": "undo", "builtin": "log"}],
    }
    assert project(parse(template("outer", undone))).phases[0].on_fail[0].do == "compensate"
    output = template("a", inputs=TITLED, outputs={"title": "${inputs.title}"})
    held = flow("a", definition=output, output=NOTE, **{"with": {"title": "x"}})
    assert (lint(template("outer", held)).errors, lint(template("outer", held)).warnings) == ((), ())
