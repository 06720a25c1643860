"""The page of the template format: every key with its type, default, meaning and example, from the models.

The example of a key is the one beside its type, with the other keys of its object that make it valid. ``whole`` completes
it to a template, which a test lints, so that no example becomes invalid.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, cast, get_args

from pydantic.fields import FieldInfo

from scripts import markdown as md
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.workflow.form import template_schema
from wfe_mcp.workflow.lint import lint
from wfe_mcp.workflow.lint.expressions import FUNCTIONS
from wfe_mcp.workflow.model import phases, rules, steps, template
from wfe_mcp.workflow.model.base import Shape, takes
from wfe_mcp.workflow.model.expect import Expect
from wfe_mcp.workflow.model.gates import GATES
from wfe_mcp.workflow.model.rules import OnFail
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workflow.set_fields import NOT_YET

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``default``: as JSON text; none when the key is required or absent by default."""

    name: str
    type: str
    default: str
    meaning: str
    required: bool
    example: Part
    not_yet: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one object of a template."""

    title: str
    meaning: str
    keys: tuple[Key, ...]


def _kind(model: type[Shape], key: str) -> str:
    return str(get_args(model.model_fields[key].annotation)[0])


_RULES = [get_args(member)[0] for member in get_args(get_args(OnFail)[0])]
_MODELS: Mapping[str, type[Shape]] = {
    "template": Template,
    "limits": template.Limits,
    "role": template.Role,
    "webhook": template.Webhook,
    "phase": phases.AgentPhase,
    "llm phase": phases.LlmPhase,
    "human phase": phases.HumanPhase,
    "steps phase": phases.StepsPhase,
    "loop phase": phases.LoopPhase,
    "for_each": phases.ForEach,
    "until": phases.Until,
    "flow phase": phases.FlowPhase,
    "context bundle": phases.BundleRef,
    "output": phases.Output,
    "retry": rules.Retry,
    "next": rules.NextStep,
    "step": steps.Step,
    "step retry": rules.StepRetry,
    "http call": steps.HttpCall,
    "llm call": steps.LlmCall,
    "step output": steps.StepOutput,
    **{f"{kind} gate": model for kind, model in GATES.items()},
    "expect": Expect,
    **{f"on_fail {_kind(model, 'do')}": model for model in _RULES},
}
TITLES = tuple(_MODELS)
"""Every object of a template."""

_NAMES = {model.__name__: title for title, model in _MODELS.items()} | {"Defaults": "phase keys"}
_UNIONS = {
    "phases": "list of phase",
    "gates": "list of gate",
    "prompt_gates": "list of gate",
    "on_fail": "list of on_fail rule",
}
_FIRST = ("kind", "do", "id")
_EXPRESSIONS = {
    "condition": "one `${…}`, true or false",
    "value": "one `${…}`",
    "text": "may hold `${…}`",
    "json": "may hold `${…}`",
}


NAMES = {
    "inputs.goal": "An input of the run; in a template that runs inside another, of that template.",
    "artifacts.plan": "The artifact of a phase that this one needs, directly or not. `gates`, `on_fail`, `next` and `compensate` "
    "see the phase's own too. Outside a loop, an artifact made in it is a map: item key to artifact.",
    "vars.issue": "What a step has assigned, in this phase or in one that it needs.",
    "run.id": "The run; also `run.title`, `run.template`, `run.iteration` (from 1), `run.started_at`, and `run.delivery`: how it is "
    "delivered, or `none`.",
    "phase.id": "The phase; also `phase.path`, `phase.attempt` (from 1), and `phase.feedback`: a list of `{from, attempt, message, "
    "artifact}`, oldest first.",
    "item.value": "In a loop, the item; also `item.key`, `item.index` (from 0), `item.count`, and `item.done`: what earlier items "
    "made, by key and artifact. `as` gives `item.value` a name.",
    "env.CI": "An environment variable that `[env] allow` of the configuration names.",
}
"""The names that expressions can use, each as an example, with what it is."""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield "# Templates: wfe/1"
    yield ""
    yield "Every key of the format. Unknown keys are errors; `wfe-mcp templates lint FILE` reports all faults at once. Editors"
    yield "take [the JSON Schema](../../schemas/template.schema.json). What is marked *not available yet* is known to the"
    yield "format and refused by lint. An example shows the key with what it needs beside it; each is linted by a test."
    yield from ("", "## Expressions", "")
    yield "`${…}` holds an expression in [CEL](https://cel.dev). A text that is exactly one keeps the type of its value; in other text a"
    yield "value becomes text, a list or an object as JSON. `$${` is a literal `${`. What a tool, a model or an input says is data:"
    yield "`${…}` in it is not evaluated. An expression without a value is an error, never false."
    yield ""
    yield from md.table(("name", "what it is"), ((md.code(name), meaning) for name, meaning in NAMES.items()))
    yield ""
    yield f"The functions are {', '.join(map(md.code, FUNCTIONS))}, and those for texts: `join`, `split`, `replace`, `substring`,"
    yield "`lowerAscii`, `upperAscii`, `trim`. `has(artifacts.x)` says whether there is a value; `+` joins two texts, so write"
    yield "`string(…)` around a number. Whole numbers have 64 bits."
    for section in sections():
        yield from ("", f"## {section.title}", "", section.meaning, "")
        rows = [
            (
                md.code(key.name) + (" (required)" if key.required else ""),
                key.type,
                md.code(key.default) if key.default else "",
                key.meaning + (f" *{key.not_yet[0].upper()}{key.not_yet[1:]}.*" if key.not_yet else ""),
                md.code(json.dumps(key.example, ensure_ascii=False)[1:-1]),
            )
            for key in section.keys
        ]
        yield from md.table(("key", "type", "default", "meaning", "example"), rows)


@cache
def sections() -> tuple[Section, ...]:
    """Every object of a template with its keys. Kinds of phases after the first list only their additional keys."""
    schema = template_schema()
    return tuple(_section(title, model, schema) for title, model in _MODELS.items())


def _section(title: str, model: type[Shape], schema: dict[str, Any]) -> Section:
    meaning = "A phase: the keys that every kind has." if model is phases.AgentPhase else model.__doc__ or ""
    properties = (schema if model is Template else schema["$defs"][model.__name__])["properties"]
    fields = _fields(model)
    keys = [_key(title, model, name, info, properties[name]) for name, info in fields.items()]
    return Section(title, md.plain(meaning), tuple(keys))


def _fields(model: type[Shape]) -> dict[str, FieldInfo]:
    """The keys of an object as they are written, its kind first, without those that every phase has."""
    is_kind = issubclass(model, phases.PhaseBase) and model is not phases.AgentPhase
    shared = set(phases.PhaseBase.model_fields) if is_kind else set[str]()
    own = {info.alias or name: info for name, info in model.model_fields.items() if name not in shared}
    return {name: own[name] for name in sorted(own, key=lambda name: _FIRST.index(name) if name in _FIRST else 9)}


def _key(title: str, model: type[Shape], name: str, info: FieldInfo, schema: dict[str, Any]) -> Key:
    kind = takes(info)
    words = _UNIONS.get(name) or _words(schema)
    return Key(
        name=name,
        type=f"{words} ({_EXPRESSIONS[kind]})" if kind else words,
        default=_default(schema),
        meaning=info.description or "",
        required=info.is_required(),
        example=_example(title, name),
        not_yet=_not_yet(model, name),
    )


def _default(schema: dict[str, Any]) -> str:
    # Objects and empty values are left out: they mean the same as an absent key.
    value = schema.get("default")
    return "" if value in (None, "", [], {}) or isinstance(value, dict) else canonical_json(value)


def _not_yet(model: type[Shape], name: str) -> str:
    is_missing = any(key == name and issubclass(model, owner) for owner, key in NOT_YET)
    return "not available yet" if is_missing else ""


def _words(schema: dict[str, Any]) -> str:
    """The type, described for readers."""
    choices = cast("list[dict[str, Any]]", schema.get("anyOf", schema.get("oneOf", [])))
    if choices:
        return " or ".join(dict.fromkeys(_words(choice) for choice in choices if choice.get("type") != "null"))
    if "$ref" in schema:
        return _NAMES[str(schema["$ref"]).rsplit("/", 1)[-1]]
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if str(schema.get("pattern", "")).endswith("(ms|s|m|h|d)$"):
        return "duration"
    return _plain_words(schema)


def _plain_words(schema: dict[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {_words(schema['items'])}"
        case "object":
            named = list(cast("dict[str, Any]", schema.get("patternProperties", {})).values())
            return f"object of {_words(named[0])}" if named and named[0] else "object"
        case str() as kind:
            return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[kind]
        case _:
            return "any JSON"


# -- examples --------------------------------------------------------------------------------------------------------


def values(title: str) -> Part:
    """Every key of an object with the value of its example."""
    fields = _fields(_MODELS[title])
    return {name: info.examples[0] if info.examples else get_args(info.annotation)[0] for name, info in fields.items()}


def _example(title: str, name: str) -> Part:
    """The key and the fewest other keys without which lint refuses it."""
    given, needed = values(title), _required(title)
    optional = [key for key in given if key != name and key not in needed]
    candidates = (beside for size in range(3) for beside in combinations(optional, size))
    if (title, name) in _BESIDE:
        return {name: given[name]} | _BESIDE[title, name]
    for beside in candidates:
        part = {name: given[name]} | {key: given[key] for key in beside}
        if not lint(whole(title, part)).faults:
            return part
    raise ValueError(f"no example of {title} {name} is valid")


def _required(title: str) -> Part:
    given = values(title)
    return {name: given[name] for name, info in _fields(_MODELS[title]).items() if info.is_required()}


def whole(title: str, part: Part) -> Part:
    """A template with ``part`` in an object of the section ``title``."""
    made = {**_required(title), **part}
    if title == "template":
        return made
    return {
        "format": "wfe/1",
        "name": "example",
        "version": "1.0.0",
        "inputs": _INPUTS,
        "roles": {"builder": {"provider": "first"}, "qa": {"provider": "second"}},
        **_AROUND.get(title, _in_phase(title))(made),
    }


_PLAN: Part = {"id": "plan", "prompt": "Plan ${inputs.goal}", "output": {"artifact": "plan", "schema": "plan@1"}}
_BUILD: Part = {"id": "build", "prompt": "Build it.", "output": {"artifact": "change", "schema": "change@1"}}
_CODE: Part = {**_BUILD, "id": "code"}
_REVIEW: Part = {
    "id": "review",
    "prompt": "Review it.",
    "output": {"artifact": "review", "schema": "review@1"},
    "next": [{"if": "${artifacts.review.verdict == 'fail'}", "goto": "build", "max": 2}],
}
_INPUTS: Part = {"type": "object", "properties": {"goal": {"type": "string"}, "number": {"type": "integer"}}}
_STATES: Part = {
    "states": {"OPEN": ["BUILDING", "BUILT"], "BUILDING": ["BUILT"], "BUILT": ["OPEN"]},
    "initial_state": "OPEN",
}
_BESIDE: Mapping[tuple[str, str], Part] = {
    ("llm phase", "kind"): {"role": "builder"},
    ("template", "title_from"): {"inputs": _INPUTS},
    ("for_each", "key"): {"as": "step"},
    ("retry", "initial"): {"backoff": "exponential"},
    ("retry", "max"): {"backoff": "exponential"},
    ("step", "builtin"): {"params": {"message": "begun"}},
    ("step", "continue_on_error"): {"check": "lint"},
    ("step", "idempotency_key"): {"tool": "github.create_branch"},
    ("http call", "body"): {"method": "POST"},
    ("files gate", "since"): {"changed": ["src/**"]},
}
"""Keys beside another one that make its example clearer, where lint asks for none."""


def _phases(*phases: Part) -> Part:
    return {"phases": [_PLAN, *phases]}


def _build(**keys: Any) -> Part:
    return _phases({**_BUILD, **keys}, _REVIEW)


def _step(**keys: Any) -> Part:
    return _phases({"id": "ci", "kind": "steps", "steps": [{"id": "ask", **keys}]})


def _in_phase(title: str) -> Callable[[Part], Part]:
    """Put a gate or rule into a phase, under the key that its section's name implies."""
    if title.startswith("on_fail"):
        undo = {"compensate": values("phase")["compensate"]} if title == "on_fail compensate" else {}
        return lambda rule: _build(on_fail=[rule, {"do": "wait_human"}] if _goes_on(rule) else [rule], **undo)
    return lambda gate: _build(gates=[gate])


def _goes_on(rule: Part) -> bool:
    return rule["do"] in {"retry", "backoff", "goto", "subflow", "compensate"}


_AROUND: Mapping[str, Callable[[Part], Part]] = {
    "limits": lambda part: {"limits": part, **_build()},
    "role": lambda part: {"roles": {"builder": part}, **_build(role="builder")},
    "webhook": lambda part: {"webhooks": [part], **_build()},
    "phase": lambda part: (_STATES if {"begins", "reaches"} & part.keys() else {}) | _build(**part),
    "llm phase": lambda part: _build(**part),
    "human phase": lambda part: _build(**part),
    "steps phase": lambda part: _phases({"id": "ci", **part}),
    "loop phase": lambda part: _phases({"id": "build", **part}),
    "for_each": lambda part: _phases({"id": "build", "kind": "loop", "for_each": part, "phases": [_CODE]}),
    "until": lambda part: _phases({"id": "build", "kind": "loop", "until": part, "phases": [_CODE]}),
    "flow phase": lambda part: _phases({"id": "fix", **part}),
    "context bundle": lambda part: _build(context=[part]),
    "output": lambda part: _build(output=part),
    "retry": lambda part: _build(retry=part),
    "next": lambda part: _build(next=[part]),
    "step": lambda part: _step(**part),
    "step retry": lambda part: _step(tool="github.get_issue", retry=part),
    "http call": lambda part: _step(http=part),
    "llm call": lambda part: _step(llm=part),
    "step output": lambda part: _step(tool="github.get_issue", output=part),
    "report gate": lambda part: _build(output={"artifact": "report", "schema": "role_report@1"}, gates=[part]),
    "expect": lambda part: _build(gates=[{"kind": "command", "check": "test", "expect": part}]),
}
"""The template around an object of a section; gates and rules need none."""
