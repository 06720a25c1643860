"""No answer exceeds the size that clients show in full."""

import json
from typing import Any

import pytest

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.server.result import fitting, tool_result
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, Next

LONG = [
    {"prompt": "word " * 20_000},
    {"prompt": "\n" * 9_000},
    {"prompt": "ü" * 9_000},
    {"events": [{"seq": number, "type": "PhaseStarted"} for number in range(3_000)]},
    {"a": {"b": [{"text": "x" * 3_000} for _ in range(20)]}},
    {f"key {number}": number for number in range(5_000)},
]


@pytest.mark.parametrize("data", LONG, ids=["text", "line ends", "letters", "list", "nested", "keys"])
def test_a_long_answer_is_cut_until_it_fits_and_says_so(data: dict[str, Any]) -> None:
    result = tool_result(Envelope(True, run="r", summary="much", data=data))

    content = [each.model_dump(mode="json", exclude_none=True) for each in result.content]
    assert len(json.dumps(content)) <= LIMIT_BYTES
    assert len(json.dumps(result.structured_content)) <= LIMIT_BYTES
    assert result.structured_content is not None
    assert "read_artifact" in result.structured_content["data"]["cut"]["hint"]


def test_a_cut_names_the_place_and_how_much_there_is() -> None:
    cut = fitting(Envelope(True, data={"short": "kept", "prompt": "x" * 40_000})).data

    assert cut["short"] == "kept"
    assert cut["cut"]["/data/prompt"] == {"shown": len(cut["prompt"]), "of": 40_000, "unit": "characters"}


def test_what_an_answer_needs_is_cut_and_never_left_out_for_one_long_schema() -> None:
    known = {f"name {number}": {"type": "string", "description": "d" * 60} for number in range(200)}
    schema = {"type": "object", "required": [*known], "properties": known}
    asked = Next("submit_artifact", {"run": "r"}, {"artifact": "/data/output/schema"})
    data = {"attempt": 1, "prompt": "Do it.", "output": {"artifact": "plan", "schema": schema}}
    cut = fitting(Envelope(True, next=(asked,), data=data)).data

    assert (cut["attempt"], cut["prompt"], cut["output"]["schema"]["type"]) == (1, "Do it.", "object")
    shown = len(cut["output"]["schema"]["properties"])
    assert cut["cut"]["/data/output/schema/properties"] == {"shown": shown, "of": 200, "unit": "entries"}


def test_of_an_answer_with_many_small_parts_the_smallest_that_is_enough_is_left_out() -> None:
    row = {f"name {number}": {"value": "v" * 20} for number in range(19)}  # about 850 characters
    needed, small, enough, large = ([row] * times for times in (3, 1, 4, 5))
    asked = Next("start_run", {"template": "t"}, {"inputs": "/data/template/inputs"})
    data = {"template": {"inputs": needed, "small": small, "list": [{"enough": enough}], "large": large}}
    cut = fitting(Envelope(True, next=(asked,), data=data))

    assert cut.data["cut"].keys() == {"hint", "/data/template/list/0/enough"}
    assert cut.data["cut"]["/data/template/list/0/enough"] == "left out"
    assert cut.data["template"] == {"inputs": needed, "small": small, "list": [{}], "large": large}
    assert cut.next == (asked,)


def test_what_a_next_call_needs_is_not_left_out_while_something_else_can_be() -> None:
    parts = {f"name {number}": {"value": "v" * 150} for number in range(19)}
    asked = Next("start_run", {}, {"inputs": "/data/inputs"})
    cut = fitting(Envelope(True, next=(asked,), data={"inputs": parts, "phases": {"a": parts, "b": parts}}))

    assert cut.data["inputs"] == parts
    assert "phases" not in cut.data or cut.data["phases"].keys() < {"a", "b"}


def test_an_answer_whose_data_is_left_out_points_to_nothing_in_it() -> None:
    asked = Next("start_run", {"template": "t"}, {"inputs": "/data/template/inputs"})
    left = fitting(Envelope(True, next=(asked,), data={f"key {number}": number for number in range(5_000)}))

    assert left.next == (Next("start_run", {"template": "t"}),)


def test_many_faults_are_cut_too() -> None:
    faults = tuple(Detail(f"/steps/{number}", "is not right " * 20) for number in range(500))
    cut = fitting(Envelope(False, summary="no", error=Refused("invalid_artifact", "no", "mend it", faults)))

    assert len(json.dumps(cut.to_dict())) <= LIMIT_BYTES
    assert cut.error is not None
    assert cut.error.details[0] == faults[0]
    assert "480 more not shown" in cut.error.hint


def test_a_short_answer_is_left_alone() -> None:
    envelope = Envelope(True, data={"prompt": "x" * 1_000})

    assert fitting(envelope) is envelope
