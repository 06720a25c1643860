"""The states of a template: every order of its phases makes legal moves only."""

from typing import Any

import pytest

from tests.templates.scene import ISSUE
from wfe_mcp.workflow.lint import lint

LIFE: dict[str, list[str]] = {
    "CREATED": ["SPEC_READY"],
    "SPEC_READY": ["IMPLEMENTING"],
    "IMPLEMENTING": ["SPEC_READY", "VERIFIED"],
    "VERIFIED": ["IMPLEMENTING", "DONE"],
    "DONE": [],
}


def phase(name: str, reaches: str | None = None, **keys: Any) -> dict[str, Any]:
    made = {"id": name, "kind": "steps", "steps": [{"id": "note", "builtin": "log"}], "skip": "never", **keys}
    return made | ({} if reaches is None else {"reaches": reaches})


def faults(*phases: dict[str, Any], **keys: Any) -> dict[str, str]:
    made = {"format": "wfe/1", "name": "life", "version": "1", "states": LIFE, "initial_state": "CREATED"} | keys
    return {fault.path: fault.message for fault in lint(made | {"phases": list(phases)}).errors}


SPEC, BUILD, CHECK = phase("spec", "SPEC_READY"), phase("build", "IMPLEMENTING"), phase("check", "VERIFIED")


@pytest.mark.requirement("S2-18")
def test_a_life_cycle_with_a_jump_back_is_fine() -> None:
    again = phase(
        "check", "VERIFIED", next=[{"if": "${run.iteration < 2}", "goto": "ship"}, {"goto": "check", "max": 1}]
    )
    assert faults(SPEC, BUILD, phase("look"), CHECK, phase("ship", "DONE")) == {}
    assert list(faults(SPEC, BUILD, again | {"next": [{"goto": "spec", "max": 1}]})) == ["/phases/2/next/0/goto"]


def test_no_run_has_the_phases_of_both_where_it_delivers_and_where_it_does_not() -> None:
    without = [phase(f"old-{name}", name, delivery="without") for name in ("VERIFIED", "DONE")]
    begins = phase("new", "VERIFIED", delivery="with")
    assert faults(SPEC, BUILD, *without, begins, phase("done", "DONE", delivery="with")) == {}
    late = {"/phases/4/reaches"}
    assert faults(SPEC, BUILD, *without, phase("new", "DONE", delivery="with")).keys() == late
    assert faults(SPEC, BUILD, CHECK, begins, phase("done", "SPEC_READY", delivery="with")).keys() == late


def test_what_is_wrong_with_and_without_a_delivery_is_one_error() -> None:
    ways = [phase(f"{way}-on", "VERIFIED", delivery=way) for way in ("with", "without")]
    made = {"format": "wfe/1", "name": "life", "version": "1", "states": LIFE, "initial_state": "CREATED"}
    assert [fault.path for fault in lint(made | {"phases": [BUILD, *ways]}).errors] == ["/phases/0/reaches"]


def test_a_loop_around_a_phase_that_no_one_may_skip_is_passed_by_each_run() -> None:
    loop = {"id": "spec", "kind": "loop", "until": {"if": "${true}", "max": 1}, "reaches": "SPEC_READY"}
    assert not faults(loop | {"phases": [phase("inner")]}, BUILD)
    assert "/phases/1/reaches" in faults(loop | {"phases": [phase("inner", skip="human")]}, BUILD)


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize(
    ("phases", "place", "answer"),
    [
        ((BUILD,), "/phases/0/reaches", "from CREATED to IMPLEMENTING, and 'states' allows SPEC_READY from there"),
        ((SPEC | {"skip": "human"}, BUILD), "/phases/1/reaches", "give it 'skip': 'never'"),
        ((SPEC | {"when": "${run.iteration > 1}"}, BUILD), "/phases/1/reaches", "from CREATED to IMPLEMENTING"),
        ((SPEC, BUILD, CHECK, phase("ship", "DONE"), phase("more", "VERIFIED")), "/phases/4/reaches", "allows no move"),
        ((SPEC, phase("build", "IMPLEMENTING", needs=[])), "/phases/1/reaches", "it must need 'spec'"),
        (
            (SPEC, BUILD, CHECK | {"on_fail": [{"do": "goto", "phase": "spec"}]}),
            "/phases/2/on_fail/0/phase",
            "to CREATED",
        ),
        ((phase("spec", "SPEC_REDY"),), "/phases/0/reaches", "did you mean 'SPEC_READY'?"),
    ],
)
def test_an_illegal_move_is_an_error_at_its_place(phases: tuple[dict[str, Any], ...], place: str, answer: str) -> None:
    found = faults(*phases)

    assert list(found) == [place]
    assert answer in found[place]


def test_states_name_each_other_and_only_phases_outside_loops_reach_them() -> None:
    body = phase("turn", "SPEC_READY")
    loop = {"id": "turns", "kind": "loop", "until": {"if": "${item.index > 0}", "max": 2}, "phases": [body]}

    assert list(faults(loop)) == ["/phases/0/phases/0/reaches"]
    assert list(faults(phase("a"), states={"CREATED": ["GONE"]})) == ["/states/CREATED/0"]
    assert faults(phase("a"), initial_state=None) == {"/initial_state": "'states' needs it"}
    assert list(faults(SPEC, states={}, initial_state=None)) == ["/phases/0/reaches"]


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize("here", ISSUE)
@pytest.mark.parametrize("there", ISSUE)
@pytest.mark.parametrize("key", ["begins", "reaches"])
def test_a_phase_moves_an_issue_only_along_its_life_cycle(here: str, there: str, key: str) -> None:
    found = faults(phase("move", **{key: there}), states=ISSUE, initial_state=here)

    refused = f"/phases/0/{key}" in found
    assert refused == (there != here and there not in ISSUE[here])


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize("there", ISSUE)
def test_a_jump_moves_an_issue_only_along_its_life_cycle(there: str) -> None:
    jump = phase("check", next=[{"goto": "again", "max": 1}])
    work = [phase("again", begins=there), phase("on", "VERIFIED"), jump]

    found = faults(*work, states=ISSUE, initial_state="CREATED")
    assert ("/phases/2/next/0/goto" in found) == (there not in {"VERIFIED", "MERGE_READY", "IMPLEMENTING"})


@pytest.mark.requirement("S2-18")
def test_work_that_is_begun_is_a_state_of_its_own() -> None:
    build = phase("build", begins="IMPLEMENTING")
    again = [phase("check", "VERIFIED", next=[{"goto": "build", "max": 1}]), phase("ship", "DONE")]
    assert faults(SPEC, build, *again) == {}
    assert list(faults(phase("early", "VERIFIED", begins="SPEC_READY"))) == ["/phases/0/reaches"]


@pytest.mark.requirement("S2-18")
def test_a_state_that_no_move_leads_to_is_an_error() -> None:
    found = faults(phase("a"), states={"OPEN": ["DONE"], "DONE": [], "LOST": ["DONE"]}, initial_state="OPEN")
    assert found == {"/states/LOST": "no move leads to 'LOST' from 'OPEN'"}


@pytest.mark.requirement("S2-18")
def test_phases_with_one_condition_are_left_out_together() -> None:
    when = "${inputs.deep}"
    both = (phase("build", "IMPLEMENTING", when=when), phase("check", "VERIFIED", when=when))
    asked = {"inputs": {"type": "object", "properties": {"deep": {"type": "boolean", "default": True}}}}
    assert faults(SPEC, *both, **asked) == {}
    other = (both[0], phase("check", "VERIFIED", when="${!inputs.deep}"))
    assert list(faults(SPEC, *other, **asked)) == ["/phases/2/reaches"]
