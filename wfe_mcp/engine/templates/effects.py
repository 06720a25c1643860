"""The effects of a configuration or a template: everything that trust in its bytes allows.

Each key of a Pydantic model states its effect beside its type, or why it has none (``core/effects.py``). One function
walks the models, templates inside templates too. A key that states nothing is shown as a setting: nothing is left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from pydantic import BaseModel

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.effects import ALLOWS, HOLDS, KINDS, KeyEffect, Kind
from wfe_mcp.workflow.model.phases import FlowPhase, LoopPhase, PhaseBase
from wfe_mcp.workflow.model.rules import SubflowRule
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workspace.config.settings_tables import Settings
from wfe_mcp.workspace.system.shell_words import shell_line

Mark = Literal["new", "changed", "gone", "same"]


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key of an effect, and its value as text. ``weakens``: that value removes or weakens a gate; None: no rule says.

    ``rank``: the value's place where values have an order, from the one that asks for least.
    """

    name: str
    text: str
    weakens: bool | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect. ``source``: the JSON pointer of the first key it comes from. ``weakens``: it removes or weakens a gate.

    ``keys``: those that it comes from.
    """

    kind: Kind
    subject: str
    detail: str
    weakens: bool
    source: str
    keys: tuple[KeyValue, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectChange:
    """An effect compared with the bytes trusted last. ``was``: its detail there."""

    mark: Mark
    effect: Effect
    was: str = ""


def effects_of(model: Settings | Template) -> tuple[Effect, ...]:
    """Every effect of a configuration (the keys that it sets) or of a template; what weakens a gate comes first."""
    merged: dict[tuple[str, str], Effect] = {}
    for effect in _walk(model, "", ""):
        known = merged.get((effect.kind, effect.subject))
        if known is not None:
            detail, keys = f"{known.detail}; {effect.detail}", (*known.keys, *effect.keys)
            effect = replace(known, detail=detail, weakens=known.weakens or effect.weakens, keys=keys)
        merged[effect.kind, effect.subject] = effect
    return tuple(sorted(merged.values(), key=_order))


def changed_effects(old: Iterable[Effect] | None, new: Iterable[Effect]) -> tuple[EffectChange, ...]:
    """``new`` compared with the effects trusted last (None: nothing was), what weakens a gate first.

    A gate or a policy that is gone or changed weakens, unless each key that changed is known to ask for no less.
    """
    before = {(effect.kind, effect.subject): effect for effect in old or ()}
    changes: list[EffectChange] = []
    for effect in new:
        was = before.pop((effect.kind, effect.subject), None)
        if was is None or was.detail == effect.detail:
            changes.append(EffectChange("new" if was is None else "same", effect))
        else:
            is_weaker = (effect.weakens or _restricts(effect)) and not _asks_no_less(effect, was)
            changes.append(EffectChange("changed", replace(effect, weakens=is_weaker), was.detail))
    changes += [
        EffectChange("gone", replace(effect, weakens=_restricts(effect)), effect.detail) for effect in before.values()
    ]
    return tuple(sorted(changes, key=lambda each: _order(each.effect)))


def is_no_looser(last: Iterable[Effect], earlier: Iterable[Effect]) -> bool:
    """Whether ``earlier``, effects trusted before, ask for all that ``last`` asks for and allow nothing more.

    ``HOLDS`` may be added and not lost, ``ALLOWS`` may be lost and not added; anything else is the same in both.
    """
    now, then = (
        {(effect.kind, effect.subject, effect.detail): effect for effect in effects} for effects in (last, earlier)
    )
    named = {(effect.kind, effect.subject) for effect in now.values()}
    lost = [effect for key, effect in now.items() if key not in then]
    added = [effect for key, effect in then.items() if key not in now]
    return all(effect.weakens or effect.kind in ALLOWS for effect in lost) and all(
        effect.kind in HOLDS and not effect.weakens and (effect.kind, effect.subject) not in named for effect in added
    )


def _asks_no_less(one: Effect, was: Effect) -> bool:
    """Whether every key of ``was`` is still there, and each that differs is known to ask for as much or more."""
    before, now = ({key.name: key for key in effect.keys} for effect in (was, one))
    if len(before) < len(was.keys) or len(now) < len(one.keys) or not before.keys() <= now.keys():
        return False  # a key that stands twice, or is gone, is judged by nothing here
    changed = [key for key in one.keys if key != before.get(key.name)]
    return bool(changed) and all(_is_no_less(value, before.get(value.name)) for value in changed)


def _is_no_less(now: KeyValue, was: KeyValue | None) -> bool:
    if now.rank is not None:
        return was is None or (was.rank is not None and now.rank >= was.rank)
    return now.weakens is False


def _restricts(effect: Effect) -> bool:
    """Whether the effect is a gate or a policy, whose loss allows more."""
    return effect.kind in {"gates", "policy"}


def _order(effect: Effect) -> tuple[bool, int]:
    return not effect.weakens, KINDS.index(effect.kind)


def _walk(model: BaseModel, subject: str, at: str) -> Iterator[Effect]:
    """The effects of ``model`` and of the models in it. ``subject``: what it belongs to, for a reader."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        is_set = name in model.model_fields_set or isinstance(value, BaseModel) or name in _ALWAYS
        if value is None or not is_set:
            continue
        key = f"{at}/{field.alias or name}"
        if isinstance(model, FlowPhase | SubflowRule) and name == "definition":
            yield from _inside(model, subject, key)
            continue
        mark = key_effect(type(model), name)
        is_weaker = mark.weakens is not None and mark.weakens(value)
        inner = list(_models(value, subject, key, name if mark.noun is None else mark.noun))
        for base, inner_subject, inner_at in inner:
            yield from (
                replace(effect, weakens=effect.weakens or is_weaker) for effect in _walk(base, inner_subject, inner_at)
            )
        kind = _KINDS.get(mark.kind or "sets")
        if inner or kind is None:
            continue
        if value not in ((), [], {}, ""):
            rank = mark.order.index(value) if value in mark.order else None
            known = KeyValue(name, _json(value), None if mark.weakens is None else is_weaker, rank)
            yield Effect(kind, subject.strip() or name, _detail(name, value), is_weaker, key, (known,))
        elif kind == "policy":  # an empty list of what is allowed allows nothing
            yield Effect("policy", subject or "policy", f"{name}: none", False, key)


_KINDS: dict[str, Kind] = {kind: kind for kind in KINDS}

_ALWAYS = frozenset({"kind", "assurance"})
"""Keys that count without being written."""


def _inside(model: FlowPhase | SubflowRule, subject: str, at: str) -> Iterator[Effect]:
    """The effects of the template that a phase or a recovery runs inside."""
    from wfe_mcp.workflow.flows import held_template

    yield from _walk(held_template(model), f"{subject}, inside: " if subject else "", at)


def key_effect(model: type[BaseModel], name: str) -> KeyEffect:
    """What the key states of its effect; its kind is that of its table where the key has none of its own."""
    mark = model.model_fields[name].json_schema_extra
    mark = mark if isinstance(mark, KeyEffect) else KeyEffect()
    return mark if mark.kind is not None else replace(mark, kind=getattr(model, "effect", None))


def _models(value: Any, subject: str, at: str, noun: str) -> Iterator[tuple[BaseModel, str, str]]:
    """The models in ``value``, each with its subject and its pointer."""
    if isinstance(value, BaseModel):
        yield value, _subject(subject, noun, _id(value), value), at
    elif isinstance(value, dict):
        for key, inner in cast("Mapping[str, Any]", value).items():
            if isinstance(inner, BaseModel):
                yield inner, _subject(subject, noun, key, inner), f"{at}/{key}"
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(cast("list[Any]", value)):
            if isinstance(inner, BaseModel):
                yield inner, _subject(subject, noun, _id(inner) or str(index + 1), inner), f"{at}/{index}"


def _id(model: BaseModel) -> str:
    return str(getattr(model, "id", ""))


def _subject(subject: str, noun: str, key: str, model: BaseModel) -> str:
    """``check test``, ``drill, plan``, ``build[*].ship, step write``."""
    if isinstance(model, PhaseBase):
        joined = f"{subject}." if subject and not subject.endswith(": ") else subject
        return f"{joined}{key}{'[*]' if isinstance(model, LoopPhase) else ''}"
    if noun == "gate":
        noun = f"{getattr(model, 'kind', '')} gate"
    label = f"{noun} {key}".strip() if noun else key
    return f"{subject}, {label}" if subject and label else subject or label


def _detail(name: str, value: Any) -> str:
    if name == "credentials":
        items = cast("Mapping[str, str]", value).items()
        return "; ".join(
            f"receives the credential {credential} as {place.replace('file:', 'file ')}" for credential, place in items
        )
    if isinstance(value, list | tuple):
        words = [word if isinstance(word, str) else _json(word) for word in cast("list[Any]", value)]
        return shell_line(words) if name in {"argv", "args"} else f"{_label(name)}{', '.join(words)}"
    text = value if isinstance(value, str) else _json(value)
    return f"{_label(name)}{' '.join(text.split())}"


_UNLABELLED = frozenset({"command", "tool", "url", "base_url", "check", "provider", "kind", "prompt"})


def _label(name: str) -> str:
    return "" if name in _UNLABELLED else f"{name.rstrip('_')}: "


def _json(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
