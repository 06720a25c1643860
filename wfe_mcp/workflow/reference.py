"""The data of the generated template reference: every key with its type, default and meaning, from the models."""

import json
from typing import Any, cast

from pydantic.fields import FieldInfo

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.examples import EXAMPLES
from wfe_mcp.workflow.model import Shape, Template, gates, phases, rules, template
from wfe_mcp.workflow.model.base import takes
from wfe_mcp.workflow.not_yet import NOT_YET
from wfe_mcp.workflow.schema import template_schema


@dataclass(frozen=True, slots=True)
class ReferenceKey:
    """One key. ``default`` and ``example``: as JSON text; no default when the key is required or absent by default."""

    name: str
    type: str
    default: str
    meaning: str
    required: bool
    example: str
    not_yet: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one object of a template."""

    title: str
    meaning: str
    keys: tuple[ReferenceKey, ...]


_SECTIONS: tuple[tuple[str, type[Shape]], ...] = (
    ("template", Template),
    ("limits", template.Limits),
    ("role", template.Role),
    ("webhook", template.Webhook),
    ("phase", phases.AgentPhase),
    ("llm phase", phases.LlmPhase),
    ("human phase", phases.HumanPhase),
    ("steps phase", phases.StepsPhase),
    ("loop phase", phases.LoopPhase),
    ("for_each", phases.ForEach),
    ("until", phases.Until),
    ("flow phase", phases.FlowPhase),
    ("context bundle", phases.BundleRef),
    ("output", phases.Output),
    ("retry", rules.Retry),
    ("next", rules.NextStep),
    ("step", phases.Step),
    ("step retry", rules.StepRetry),
    ("http call", phases.HttpCall),
    ("llm call", phases.LlmCall),
    ("step output", phases.StepOutput),
    ("expr gate", gates.ExprGate),
    ("files gate", gates.FilesGate),
    ("git gate", gates.GitGate),
    ("report gate", gates.ReportGate),
    ("command gate", gates.CommandGate),
    ("expect", gates.Expect),
    ("opinion gate", gates.OpinionGate),
    ("approval gate", gates.ApprovalGate),
    ("plugin gate", gates.PluginGate),
    ("on_fail retry", rules.RetryRule),
    ("on_fail backoff", rules.BackoffRule),
    ("on_fail goto", rules.GotoRule),
    ("on_fail wait_human", rules.WaitHumanRule),
    ("on_fail pause", rules.PauseRule),
    ("on_fail block", rules.BlockRule),
    ("on_fail fail", rules.FailureRule),
    ("on_fail subflow", rules.SubflowRule),
    ("on_fail compensate", rules.CompensateRule),
)

_NAMES = {model.__name__: title for title, model in _SECTIONS} | {"Defaults": "phase keys"}
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


def reference() -> tuple[Section, ...]:
    """Every object of a template with its keys. Kinds of phases after the first list only their additional keys."""
    schema = template_schema()
    return tuple(_section(title, model, schema) for title, model in _SECTIONS)


def _section(title: str, model: type[Shape], schema: dict[str, Any]) -> Section:
    meaning = "A phase: the keys that every kind has." if model is phases.AgentPhase else model.__doc__ or ""
    properties = (schema if model is Template else schema["$defs"][model.__name__])["properties"]
    shared = (
        set(phases.PhaseBase.model_fields)
        if issubclass(model, phases.PhaseBase) and model is not phases.AgentPhase
        else set[str]()
    )
    keys = tuple(
        _key(title, model, info.alias or name, info, properties[info.alias or name])
        for name, info in model.model_fields.items()
        if name not in shared
    )
    keys = tuple(sorted(keys, key=lambda key: _FIRST.index(key.name) if key.name in _FIRST else len(_FIRST)))
    return Section(title, meaning.replace("``", "`"), keys)


def _key(title: str, model: type[Shape], name: str, info: FieldInfo, schema: dict[str, Any]) -> ReferenceKey:
    kind = takes(info)
    words = _UNIONS.get(name) or _words(schema)
    return ReferenceKey(
        name=name,
        type=f"{words} ({_EXPRESSIONS[kind]})" if kind else words,
        default=_default(schema),
        meaning=info.description or "",
        required=info.is_required(),
        example=_example(title, name),
        not_yet=_not_yet(model, name),
    )


def _example(section: str, name: str) -> str:
    """An example as JSON without the outer braces: the key first, then the keys it requires."""
    part = EXAMPLES[section][name]
    ordered = {name: part[name]} | part
    return json.dumps(ordered, ensure_ascii=False)[1:-1]


def _default(schema: dict[str, Any]) -> str:
    # Objects and empty values are left out: they mean the same as an absent key.
    from wfe_mcp.core.canonical import canonical_json

    value = schema.get("default")
    return "" if value in (None, "", [], {}) or isinstance(value, dict) else canonical_json(value)


def _not_yet(model: type[Shape], name: str) -> str:
    for (owner, key), values in NOT_YET.items():
        if key == name and issubclass(model, owner):
            return "not available yet" if values is None else f"not available yet: {', '.join(sorted(values))}"
    return ""


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
    if "examples" in schema:
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
