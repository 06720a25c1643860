"""Every field of the decision view, with a value of its own, is shown by every interface: what is signed is what is read.

The values are made from the types, so a new field is looked for as soon as there is one.
"""

import ast
import inspect
import io
import json
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, EnumType
from functools import cache
from html import unescape
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from zlib import crc32

import pytest

from tests.engine.scene import Scene, approval, phase
from wfe_mcp.cli.terminal.decision import Detail, show_decision
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.model import Assurance, By, RunId, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.comment_fields import Fields
from wfe_mcp.dashboard.decision_page import decision_body, decision_page
from wfe_mcp.server.elicitation import ElicitationText
from wfe_mcp.store.records.runs import RequestRecord, RequestStatus
from wfe_mcp.views.approvals import open_approval, shown_sha256
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.approvals.model import ApprovalView
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.approvals.words import STATUS, second
from wfe_mcp.views.pages.decision import decision_data
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.values.model import plain

Options = Mapping[str, object]


@cache
def names(module: str) -> dict[str, Any]:
    """What the annotations of a module may name, also what it imports for them alone."""
    found = dict(vars(sys.modules[module]))
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module, "exec"), found)
    return found


def text_of(path: str) -> str:
    return f"t{crc32(path.encode()):08x}"


def differences(path: str) -> tuple[dict[str, str], ...]:
    """Of each kind that ``views/values/diff.py`` makes."""
    forms = (("old", "new"), ("moved",), ("diff",))
    return tuple({key: text_of(f"{path}.{form}.{key}") for key in ("path", *form)} for form in forms)


SPECIAL: dict[str, Callable[[str], object]] = {
    "Hunk.lines": lambda path: tuple(f"{sign}{text_of(path + sign)}" for sign in " -+"),
    "Prompt.changes": differences,
    "ArtifactShown.changes": differences,
    "ArtifactShown.content": lambda path: {"key": text_of(path)},
}
"""Fields whose values have a form that their type does not say."""


def sample(kind: Any, path: str, chosen: Options) -> Any:
    """A value of ``kind``, every field of it set. ``chosen``: other values for some paths."""
    if path in chosen:
        return chosen[path]
    origin, arguments = get_origin(kind), get_args(kind)
    kind = getattr(kind, "__supertype__", kind)
    if kind in (str, Any, object):
        return text_of(path)
    if kind is datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=crc32(path.encode()) % 20_000_000)
    if isinstance(kind, EnumType):
        return list(cast("type[Enum]", kind))[-1]
    if kind is float:
        return 1.5
    if kind is Path:
        return Path("/") / text_of(path)
    if kind is int:
        return 10_000_000 + crc32(path.encode()) % 80_000_000
    if kind is bool:
        return True
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (sample(arguments[0], f"{path}[]", chosen),)
    if origin in (list, Sequence, MutableSequence, Iterable):
        return [sample(arguments[0], f"{path}[]", chosen)]
    if origin in (dict, Mapping):
        return {text_of(f"{path}.key"): sample(arguments[1], f"{path}.value", chosen)}
    if origin is Annotated:
        return sample(arguments[0], path, chosen)
    if origin in (Union, types.UnionType):
        return sample(next(each for each in arguments if each is not type(None)), path, chosen)
    assert hasattr(kind, "__dataclass_fields__"), f"{path}: how is a {kind} made?"
    hints = get_type_hints(kind, localns=names(kind.__module__))
    made: dict[str, Any] = {}
    for each in (one for one in fields(kind) if one.init):
        place, special = f"{path}.{each.name}", SPECIAL.get(f"{kind.__name__}.{each.name}")
        made[each.name] = special(place) if special else sample(hints[each.name], place, chosen)
    return kind(**made)


def view(chosen: Options | None = None) -> ApprovalView:
    return sample(ApprovalView, "", chosen or {})


def values() -> Iterator[tuple[str, str]]:
    """The path of each text and number, and how it reads; a line of a file without its sign."""
    few = {path for path, _ in choices(ApprovalView, "")}
    for path, value in walked(view()):
        if path not in few:
            yield path, str(value)[1:] if path.endswith(".lines[]") else str(value)


def walked(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from walked(getattr(value, each.name), f"{path}.{each.name}")
    elif isinstance(value, tuple):
        for part in cast("tuple[object, ...]", value):
            yield from walked(part, f"{path}[]")
    elif isinstance(value, Mapping):
        for key, part in cast("Mapping[str, object]", value).items():
            yield from walked(part, f"{path}.{key}")
    else:
        yield path, value


def choices(kind: Any, path: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The path of each field with few values, and these: words of an enumeration, yes or no, with or without."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is bool:
        yield path, (True, False)
    elif origin is Literal:
        yield path, arguments
    elif origin is tuple:
        yield from choices(arguments[0], f"{path}[]")
    elif origin in (Union, types.UnionType):
        (inner,) = (each for each in arguments if each is not type(None))
        yield path, (sample(inner, path, {}), None)
        yield from choices(inner, path)
    elif is_dataclass(kind) and isinstance(kind, type):
        for name, hint in get_type_hints(kind, localns=names(kind.__module__)).items():
            if f"{kind.__name__}.{name}" not in SPECIAL:
                yield from choices(hint, f"{path}.{name}")


# -- the interfaces ----------------------------------------------------------------------------------------------------------


def terminal(shown: ApprovalView) -> str:
    answer = io.StringIO()
    with redirect_stdout(answer):
        show_decision(Screen(as_json=False), shown, Detail(full=True))
        show_decision(Screen(as_json=False), shown, Detail(full=True, since="approval"))
    return answer.getvalue()


def request_about(shown: ApprovalView) -> DecisionView:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    of = (RunId(shown.run), PhasePath(shown.phase), shown.attempt, Stage.AFTER, 0, shown.sha256)
    request = RequestRecord("q", *of, Assurance.HUMAN, RequestStatus.OPEN, at, None)
    nothing = dict.fromkeys(("project", "title", "template"), "")
    buttons = ("Approve", "Reject")
    return DecisionView(
        request=request,
        state="open",
        **nothing,
        tainted=False,
        gating=False,
        asked_at=at.isoformat(),
        shown=shown,
        buttons=buttons,
    )


def page(shown: ApprovalView) -> str:
    return unescape(decision_page(request_about(shown), {"approve": "", "reject": ""}))


def side_by_side(shown: ApprovalView) -> str:
    return unescape(decision_page(request_about(shown), {"approve": "", "reject": ""}, split=True))


def mounted(shown: ApprovalView) -> str:
    """What the application mounts; it has no forms."""
    return unescape(decision_body(request_about(shown), talk=Fields()))


def as_json(shown: ApprovalView) -> str:
    return json.dumps(plain(shown), ensure_ascii=False)


INTERFACES = {each.__name__: each for each in (terminal, page, side_by_side, mounted, as_json)}

PRESENTATION: dict[tuple[str, str], str] = {}
"""What an interface need not show, as (interface, path), each with its reason. Nothing so far."""


@cache
def rendered(interface: str) -> str:
    return INTERFACES[interface](view())


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_text_and_number_of_a_decision_is_shown(interface: str) -> None:
    text = rendered(interface)
    missing = [path for path, value in values() if (interface, path) not in PRESENTATION and not in_text(value, text)]
    assert not missing, f"{interface} does not show: {', '.join(missing)}"


def in_text(value: str, text: str) -> bool:
    return value in text or (value.isdecimal() and f"{int(value):,}" in text)


@pytest.mark.parametrize("interface", ["terminal", "mounted", "as_json"])
def test_every_choice_of_a_decision_makes_a_difference(interface: str) -> None:
    alike: list[str] = []
    for path, options in choices(ApprovalView, ""):
        seen = {INTERFACES[interface](view({path: each})) for each in options}
        if len(seen) < len(options) and (interface, path) not in PRESENTATION:
            alike.append(f"{path}: {len(options)} values, {len(seen)} pages")
    assert not alike, f"{interface} shows the same for {', '.join(alike)}"


def test_no_value_is_in_another_one() -> None:
    made = [value for _, value in values()]
    assert [
        value for value in made if "\n".join(made).count(value) > len([each for each in made if each == value])
    ] == []
    assert len(made) > 80


def test_what_cannot_be_read_any_more_is_said_with_the_same_words_everywhere() -> None:
    changed = view({".prompt.text": None})
    assert changed.prompt is not None
    sentence = (
        f"its file changed after its gates ran. Reject it (sha256 {changed.prompt.sha256}, in {changed.prompt.file})"
    )
    for interface in ("terminal", "page", "mounted"):
        assert sentence in INTERFACES[interface](changed)


def test_a_document_is_read_before_the_files_that_hold_it_and_a_report_after_them() -> None:
    def order(schema: str) -> bool:
        text = mounted(view({".artifact.schema": schema}))
        return text.index('id="artifact"') < text.index('id="change"')

    assert {name: order(name) for name in ("markdown_doc@1", "spec@1", "change@1", "failing_test@1", "report")} == {
        "markdown_doc@1": True,
        "spec@1": True,
        "change@1": False,
        "failing_test@1": False,
        "report": False,
    }


def test_words_are_no_part_of_the_sha256() -> None:
    one = view()
    assert shown_sha256(one) == shown_sha256(replace(one))
    assert shown_sha256(one) != shown_sha256(replace(one, effect="another"))


AROUND = {
    "state": "each state has a sentence of its own, or the forms",
    "request.gate": "the place of the gate in its phase; the evidence has it by name",
    "request.assurance": "what is shown has it, from the gate as it is now",
    "request.status": "the state of the request says it, with time and revision",
    "request.created_at": "the page says since when it is asked: then, or earlier",
    "request.closed_at": "of a closed request; the answer has its time",
    "request.tree": "what is shown has the tree that is bound",
    "request.data": "what a channel keeps of its question; no part of what is decided",
    **dict.fromkeys(("handed.to", "handed.by", "handed.note"), "beside the decision, at a server: tests/server/people"),
    "approvals[]": "the question names them",
    "answer.ancestors": "of a terminal: a warning of the verification, not of the answer",
}
"""Of a request, besides what it shows: what no page and no JSON needs, with the reason."""


def test_what_a_request_says_besides_is_on_the_page_and_in_the_json() -> None:
    chosen: Options = {".request.data": {}, ".buttons": ("Approve", "Reject")}
    signed = view({".assurance": "passkey"})
    asked = sample(DecisionView, "", {**chosen, ".shown": signed, ".state": "open", ".newer": None, ".answer": None})
    asked, of_others = replace(asked, others=""), asked
    closed = sample(DecisionView, "", {**chosen, ".shown": None, ".state": "answered"})
    rejected = replace(closed, answer=replace(closed.answer, approved=False))
    views = (asked, replace(asked, passkeys=()), of_others, closed, rejected, replace(closed, state="closed"))
    page_ = "".join(unescape(decision_page(each, {"approve": "", "reject": ""})) for each in views)
    json_ = "".join(json.dumps(plain(decision_data(each)), ensure_ascii=False) for each in views)
    leaves = {place[1:]: value for each in views for place, value in walked(replace(each, shown=None))}
    leaves |= {
        place: str(value)[1:] for place, value in leaves.items() if place.endswith(".lines[]")
    }  # without the sign
    answer = {
        place: value for place, value in leaves.items() if not isinstance(value, bool | None) and place not in AROUND
    }
    assert len(answer) > 15
    for name, text in (("page", page_), ("json", json_)):
        missing = [place for place, value in answer.items() if not any(each in text for each in readings(value))]
        assert not missing, f"{name} does not show: {', '.join(missing)}"


def readings(value: object) -> tuple[str, ...]:
    """How a value may read."""
    if isinstance(value, datetime):
        return second(value), value.isoformat(timespec="seconds")
    if isinstance(value, Assurance):
        return (value.name.lower(),)
    if value == Stage.AFTER:
        return "Approve", "after"
    return tuple({str(value), STATUS.get(str(value), str(value))})


MCP = ("run", "phase", "sha256", "assurance", "attempt", "title")
"""What belongs into the text for an agent: which decision it is and how it is made. What a person has to read before they
decide is on the page and at the terminal, which the answer leads to; an agent decides nothing.
"""


def test_the_answer_to_an_agent_names_the_decision_and_the_way_to_it(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert shown is not None
    answer = ask_approval(scene.engine, By(), run, "plan")
    text = json.dumps(answer.to_dict())
    assert [name for name in MCP if str(getattr(shown, name)) not in text] == []
    assert f"wfe-mcp approve {run} plan" in text
    asked = ElicitationText(answer.data["request"], shown.sha256, answer.data["question"], "")
    assert shown.title in asked.message
