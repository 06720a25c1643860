"""Lint rules for expressions.

    a field that takes none        holds no ``${``; a description is prose, where it is text
    a condition                    is exactly one ``${…}``, true or false
    a name                         exists: the first level always, deeper where the schema is closed

CEL compiles each expression in the lint environment: names down to the first dot are declared dotted
(``artifacts.plan``), so that an artifact which cannot exist is an error. Never evaluate there: ``has(inputs.goal)``
would return the value. Evaluation has its own environment, see ``workflow/expressions.py``.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from wfe_mcp.core.errors import Detail, near_miss, nearest
from wfe_mcp.core.limits import EXPRESSION_CHARACTERS
from wfe_mcp.core.units import words
from wfe_mcp.workflow.cel_faults import in_plain_words
from wfe_mcp.workflow.expressions import ExpressionError, names_of_path, new_environment, scan
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.known import Fields, Unknown, types_of, used_names
from wfe_mcp.workflow.lint.scope import PhaseView, Scope, outputs_scope, step_scopes
from wfe_mcp.workflow.model.base import CEL_TYPES, RESERVED_WORDS, ROOTS, Shape, TakesKind
from wfe_mcp.workflow.model.phases import LoopPhase
from wfe_mcp.workflow.model.steps import Step
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workflow.set_fields import SetField, set_fields, texts

MAX_SOURCE = EXPRESSION_CHARACTERS.most
"""Most characters of one expression."""

FUNCTIONS = words(
    """
    all exists exists_one filter map has size contains startsWith endsWith matches int double string bool
    type timestamp duration getFullYear getMonth getDate getHours
    """
)
"""The CEL functions that templates may use."""

_JUDGED = frozenset({"gates", "on_fail", "next", "compensate"})
_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_environment = lru_cache(maxsize=256)(new_environment)
_CEL_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)(?: \[[A-Z_]+\])?$", re.MULTILINE)


def expression_faults(template: Template, views: tuple[PhaseView, ...]) -> Iterator[Detail]:
    """The faults of all expressions, and every ``${`` where none is allowed."""
    for field in set_fields(template, "", skip=("phases", "defaults", "outputs")):
        yield from _fault(field, {})
    if template.outputs:
        scope = outputs_scope(template)
        for at, text in texts(template.outputs, "/outputs"):
            yield from text_faults(text, "text", scope, at)
    for view in views:
        yield from _phase_faults(view)


def _phase_faults(view: PhaseView) -> Iterator[Detail]:
    nested = ("steps", "compensate", "for_each", "until", "phases", "definition")
    for field in set_fields(view.phase, view.pointer, skip=nested):
        key = field.pointer.removeprefix(view.pointer).split("/")[1]
        yield from _fault(field, _frozen(view) if key == "context" else view.judged if key in _JUDGED else view.before)
    for key in ("steps", "compensate"):
        scope = view.judged if key in _JUDGED else view.before
        steps: tuple[Step, ...] = getattr(view.phase, key, ())
        for index, (step, seen) in enumerate(zip(steps, step_scopes(scope, steps), strict=True)):
            for field in set_fields(step, f"{view.pointer}/{key}/{index}"):
                yield from _fault(field, seen)
    if isinstance(view.phase, LoopPhase):
        yield from _loop_faults(view, view.phase)


def _frozen(view: PhaseView) -> Scope:
    """The names known when the run starts: a bundle is frozen then."""
    return {"inputs": view.before["inputs"]}


def _loop_faults(view: PhaseView, loop: LoopPhase) -> Iterator[Detail]:
    body = view.body or view.before
    for key in ("for_each", "until"):
        shape: Shape | None = getattr(loop, key)
        for field in set_fields(shape, f"{view.pointer}/{key}") if shape else ():
            yield from _fault(field, view.before if field.key == "in" else body)


def _fault(field: SetField, scope: Scope) -> Iterator[Detail]:
    if field.key == "definition":  # a template that runs inside is linted for itself
        return
    for at, text in texts(field.value, field.pointer):
        if field.takes:
            yield from text_faults(text, field.takes, scope, at)
        elif "${" in text and at.rsplit("/", 1)[-1] != "description":
            yield Detail(
                at, f"{field.key!r} takes no expression: '${{' has no meaning here", "text without ${", text[:80]
            )


def text_faults(text: str, takes: TakesKind, scope: Scope, at: str) -> Iterator[Detail]:
    """The faults of one text that may hold expressions."""
    try:
        parts = scan(text)
    except ExpressionError as exc:
        yield Detail(at, f"{exc.reason}: ${{{exc.text}", "${…}", text[:80])
        return
    sources = [part.text for part in parts if part.is_expression]
    if takes in {"condition", "value"} and (len(parts) != 1 or not sources):
        what = "a condition" if takes == "condition" else "this"
        yield Detail(at, f"{what} must be exactly one ${{…}}, without other text", "${…}", text[:80])
    for source in sources:
        yield from _source_faults(source, takes, scope, at)


def _source_faults(source: str, takes: TakesKind, scope: Scope, at: str) -> Iterator[Detail]:
    if not source.strip():
        yield Detail(at, "the expression is empty", "${…}", "${}")
        return
    if len(source) > MAX_SOURCE:
        fault = f"the expression {EXPRESSION_CHARACTERS.fault(len(source))}"
        yield Detail(at, fault, MAX_SOURCE, len(source))
        return
    used = used_names(source, scope)
    for unknown in used.unknown:
        yield _unknown(unknown, at)
    kind, fault = _compile_type(source, _declared_names(source, scope, used.whole_roots))
    if kind is None:
        reported = {f"{unknown.owner}.{unknown.name}" for unknown in used.unknown}
        yield from _cel_faults(fault, source, scope, at, reported)
        return
    type_ = _type(kind) if kind != "DYN" else _known_type(types_of(used.value))
    if takes == "condition" and type_ not in {"true or false", ""}:
        yield Detail(at, f"a condition must be true or false, not {type_}", "true or false", f"${{{source}}}")
    if takes == "value" and at.endswith("/for_each/in") and type_ and not type_.startswith(("list", "a list")):
        yield Detail(at, f"a loop needs a list, not {type_}", "a list", f"${{{source}}}")


def _unknown(unknown: Unknown, at: str) -> Detail:
    name = f"{unknown.owner}.{unknown.name}"
    if unknown.why:
        return Detail(at, f"{name!r} is not available: {unknown.why}", list(unknown.valid), name)
    if near := nearest(unknown.name, unknown.valid, 1):
        return Detail(
            at, f"unknown name {name!r}; did you mean '{unknown.owner}.{near[0]}'?", list(unknown.valid), name
        )
    has = did_you_mean(unknown.name, unknown.valid) or f"; {unknown.owner!r} has no names here"
    return Detail(at, f"unknown name {name!r}{has}", list(unknown.valid), name)


def _cel_faults(words: str, source: str, scope: Scope, at: str, reported: set[str]) -> Iterator[Detail]:
    faults = _CEL_FAULT.findall(words)
    if not faults:
        yield Detail(at, f"the expression cannot be read: {words.split(': ', 1)[-1].split(' [', 1)[0]}", None, source)
    for _, column, message in faults:
        missing = re.match(r"undeclared reference to '([^']+)'", message)
        if missing is None:
            yield Detail(at, f"{in_plain_words(message)} (character {column} of {source!r})", None, source)
        elif not any(missing[1] == name or missing[1].startswith(f"{name}.") for name in reported):
            yield _undeclared_detail(missing[1], source, scope, at)


def _undeclared_detail(name: str, source: str, scope: Scope, at: str) -> Detail:
    root = name.split(".", 1)[0]
    if root == "item" and "item" not in scope:
        return Detail(at, "'item' exists only in a loop", sorted(scope), root)
    if root in ROOTS and root not in scope:
        return Detail(at, f"{root!r} does not exist here", sorted(scope), root)
    if root not in scope and re.search(rf"\b{re.escape(root)}\s*\(", source):
        return _not_callable(name, at)
    return Detail(at, f"unknown name {name!r}{did_you_mean(root, tuple(sorted(scope)))}", sorted(scope), name)


def _not_callable(name: str, at: str) -> Detail:
    if name in FUNCTIONS:
        return Detail(at, f"the function {name!r} does not take these arguments", None, name)
    hint = near_miss(name, FUNCTIONS, f"; there are {', '.join(FUNCTIONS)}")
    return Detail(at, f"unknown function {name!r}{hint}", list(FUNCTIONS), name)


def _type(kind: str) -> str:
    return {"INT": "a number", "UINT": "a number", "DOUBLE": "a number", "STRING": "text", "BOOL": "true or false"}.get(
        kind, kind.lower()
    )


def _known_type(types: frozenset[str]) -> str:
    """The one type among ``types`` in words; empty where there are several, or it is not known."""
    named = [_JSON_TYPES.get(name, name) for name in types - {"null"}]
    return named[0] if len(named) == 1 else ""


_JSON_TYPES = {
    "string": "text",
    "integer": "a number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _declared_names(source: str, scope: Scope, whole_roots: set[str]) -> frozenset[str]:
    """The names of ``scope`` that occur in ``source``. All of them would make an environment per phase, each with all."""
    words = set(_IDENT.findall(source))
    names: set[str] = set()
    for root, value in scope.items():
        if root in CEL_TYPES or root not in words:
            continue
        if not isinstance(value, Fields) or root in whole_roots:
            names.add(root)
        if isinstance(value, Fields):
            names |= {f"{root}.{word}" for word in words if word in value.known and word not in RESERVED_WORDS}
    return frozenset(names)


@lru_cache(maxsize=1024)
def _compile_type(source: str, names: frozenset[str]) -> tuple[str | None, str]:
    """The type of the expression's value in CEL; None, and CEL's words, when it cannot be compiled."""
    path = names_of_path(source)
    if not names.isdisjoint(accumulate(path, "{}.{}".format)):  # below what is declared, CEL knows no types
        return "DYN", ""
    try:
        return _environment(tuple(sorted(names))).compile(source).return_type().name(), ""
    except RuntimeError as exc:
        return None, str(exc)
