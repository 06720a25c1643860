"""Converts an AFU-9 workflow (JSON of MCP tool steps) to ``wfe/1``.

One template with one phase of kind ``steps``, or several where an issue can be on HOLD. Tools keep their names: ``agent.analyze`` is a tool of the MCP server configured as ``agent``.

    steps[].tool, params, assign, if      the same, expressions by ``afu9_expressions``
    steps[].retry                         retry; the same number of attempts
    config.maxRetries N                   N + 1 attempts of each step without its own retry
    config.timeoutMs, continueOnError     the phase's timeout; each step's continue_on_error
    input.*, repo.*, variables.*          inputs, named by their use
    a result with simpleVerdict RED, verdictType REJECTED or action ABORT   a step ``builtin: fail`` right after it
    a result ``issue`` with state HOLD, or ``issueState`` HOLD              a phase that a person must approve, after it

The old engine never read ``retry`` and ``timeoutMs`` (S2-09); here they take effect. It looked at all its variables before and
after each step (S2-11 to S2-13). A variable changes only where a step assigns it, so it is enough to look there, and before the
first step where the workflow reads ``variables`` from its start.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from wfe_mcp.core.errors import pointer
from wfe_mcp.core.units import plural
from wfe_mcp.importers.afu9_expressions import Names, condition, text
from wfe_mcp.importers.afu9_tokens import UnreadableError
from wfe_mcp.importers.imported import ImportedTemplate, ImportReport, free_name, identifier, without_nulls
from wfe_mcp.workflow.model.steps import Step

FORMAT = "AFU-9"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TOOL = re.compile(r"[a-z][a-z0-9_]*\.[a-zA-Z][a-zA-Z0-9_]*")
_TOP = ("name", "description", "steps", "config", "version")
_STEP = ("name", "tool", "params", "assign", "if", "condition", "retry")
_CONFIG = ("timeoutMs", "continueOnError", "maxRetries")
_RETRY = ("maxAttempts", "backoff", "backoffMultiplier", "initialDelayMs", "maxDelayMs")
_BACKOFFS = ("fixed", "linear", "exponential")

_RETRY_MODEL: Any = get_args(Step.model_fields["retry"].annotation)[0]
BACKOFFS = frozenset[str](get_args(_RETRY_MODEL.model_fields["backoff"].annotation))
"""The supported backoffs between the tries of a step."""


def is_afu9(value: object) -> bool:
    """Whether the JSON looks like an AFU-9 workflow."""
    return isinstance(value, dict) and "steps" in value and "phases" not in value and "format" not in value


def from_afu9(document: Mapping[str, Any]) -> ImportedTemplate:
    """The template. Refuses ``invalid_template``: all errors at once, by pointer into ``document``."""
    return _WorkflowReader(without_nulls(document, but=("params",))).template()


class _WorkflowReader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._found = ImportReport()
        self._names = Names()
        self._ids: set[str] = set()

    def template(self) -> ImportedTemplate:
        name = self._name()
        self._rest(self._document, _TOP, ())
        config = self._found.object_at(self._document.get("config", {}), ("config",))
        self._rest(config, _CONFIG, ("config",))
        if not isinstance(config.get("continueOnError", False), bool):
            self._found.error("/config/continueOnError", "must be true or false", False, config["continueOnError"])
        steps = self._steps(config)
        self._refuse_shared_inputs()
        timeout = self._number(config, "timeoutMs", None, 1000, ("config",))
        self._found.refuse(f"The {FORMAT} file", "invalid_template")
        phases = self._phases(steps, {} if timeout is None else {"timeout": _duration(timeout)})
        definition = {
            "format": "wfe/1",
            "name": name,
            "version": str(self._document.get("version", "1.0.0")),
            "title": name.replace("_", " ").capitalize(),
            "description": str(self._document.get("description", "")),
            "inputs": self._inputs(),
            "phases": phases,
        }
        return ImportedTemplate(FORMAT, definition, tuple(self._found.not_carried), tuple(self._found.added))

    def _phases(self, steps: list[dict[str, Any]], keys: dict[str, Any]) -> list[dict[str, Any]]:
        """The steps in phases. After each result: a step that aborts on RED; where it can say HOLD, a phase that waits."""
        phases: list[dict[str, Any]] = []
        part: list[dict[str, Any]] = []
        assigned = {name: old for old, name in self._names.assigned.items()}

        def close(held: dict[str, Any] | None = None) -> None:
            if part:
                name = free_name("steps", [phase["id"] for phase in phases])
                phases.append({"id": name, "kind": "steps", "steps": [*part], "on_fail": [{"do": "fail"}], **keys})
            if held is not None:
                phases.append({"id": free_name("hold", [phase["id"] for phase in phases])} | held)
                self._found.add(f"/phases/{len(phases) - 1}", "while the issue is on HOLD, the run waits for a person")
            part.clear()

        if ("variables",) in self._names.needed:
            close(_hold_at_start())
            part.append(_red_at_start(self._free("red")))
        for step in steps:
            part.append(step)
            if (name := step.get("assign")) is None:
                continue
            part.append(_red_step(step["id"], name, self._free(f"{step['id'][:60]}_red")))
            if assigned[name] in _HELD:
                close(_hold_phase(assigned[name], name))
        close()
        if reds := sum(step.get("builtin") == "fail" for phase in phases for step in phase["steps"]):
            self._found.add(
                "/phases", f"{plural(reds, 'step')} after results: a RED verdict aborts the run, nothing after it runs"
            )
        if keys and sum(phase["id"].startswith("steps") for phase in phases) > 1:
            self._found.lose(
                "/config/timeoutMs", "each phase of steps may take this long; waiting for a person does not count"
            )
        return phases

    def _free(self, name: str) -> str:
        free = free_name(name, self._ids)
        self._ids.add(free)
        return free

    def _name(self) -> str:
        name = self._document.get("name")
        if name is None:
            self._found.error(
                "/name", "the name is missing; a workflow that was stored without it takes one: --name NAME"
            )
            return "workflow"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._found.error(
                "/name", "a name begins with a small letter, then small letters, digits and _", None, name
            )
            return "workflow"
        if len(name) > 64:
            self._found.lose("/name", f"the name is cut to 64 characters, {name[:64]!r}")
        return name[:64]

    def _steps(self, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        steps = self._document.get("steps")
        if not isinstance(steps, list) or not steps:
            self._found.error("/steps", "must be a list with at least one step")
            return []
        return [self._step(step, ("steps", index), config) for index, step in enumerate(cast("list[object]", steps))]

    def _step(self, value: object, at: tuple[str | int, ...], config: Mapping[str, Any]) -> dict[str, Any]:
        step = self._found.object_at(value, at)
        self._rest(step, _STEP, at)
        tool_step: dict[str, Any] = {"id": self._step_id(step, at), "tool": self._tool(step, at)}
        if "params" not in step:
            self._found.error(pointer(*at, "params"), "'params' is missing")
        tool_step["params"] = self._values(
            self._found.object_at(step.get("params", {}), (*at, "params")), (*at, "params")
        )
        if (asked := self._condition(step, at)) is not None:
            tool_step["if"] = asked
        if (retry := self._retry(step, config, at)) is not None:
            tool_step["retry"] = retry
        if config.get("continueOnError", False) is True:
            tool_step["continue_on_error"] = True
        if "assign" in step:
            tool_step["assign"] = self._assigned_name(step["assign"], at)
        return tool_step

    def _step_id(self, step: Mapping[str, Any], at: tuple[str | int, ...]) -> str:
        name = step.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._found.error(
                pointer(*at, "name"), "a name begins with a small letter, then small letters, digits and _", None, name
            )
            return "step"
        step_id = free_name(name, self._ids)
        if step_id != name:
            self._found.lose(
                pointer(*at, "name"), f"the step is called {step_id!r}: ids are unique and at most 64 characters"
            )
        self._ids.add(step_id)
        return step_id

    def _tool(self, step: Mapping[str, Any], at: tuple[str | int, ...]) -> str:
        tool = step.get("tool")
        if not isinstance(tool, str) or not _TOOL.fullmatch(tool):
            self._found.error(pointer(*at, "tool"), "a tool is written server.toolName", "server.toolName", tool)
            return "server.tool"
        return tool

    def _condition(self, step: Mapping[str, Any], at: tuple[str | int, ...]) -> str | None:
        key = "if" if "if" in step else "condition"
        if key not in step:
            return None
        return self._translate(condition, step[key], (*at, key))

    def _assigned_name(self, value: object, at: tuple[str | int, ...]) -> str:
        if not isinstance(value, str) or not value:
            self._found.error(pointer(*at, "assign"), "must be the name of a variable", None, value)
            return "result"
        assigned = self._names.assigned
        name = assigned.get(value) or free_name(identifier(value), assigned.values())
        if name != value:
            self._found.lose(
                pointer(*at, "assign"), f"the result is called {name!r}: names are unique and can be used in CEL"
            )
        assigned[value] = name
        return name

    def _values(self, value: Any, at: tuple[str | int, ...]) -> Any:
        """``params`` with every expression in CEL; keys stay as they are."""
        if isinstance(value, dict):
            return {key: self._values(child, (*at, key)) for key, child in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self._values(child, (*at, index)) for index, child in enumerate(cast("list[Any]", value))]
        return self._translate(text, value, at) if isinstance(value, str) else value

    def _translate(self, how: Callable[[str, Names], str], value: object, at: tuple[str | int, ...]) -> str:
        """An expression in CEL, or an error with the nearest CEL as what was expected."""
        self._names.asks_the_time = False
        try:
            cel = how(str(value), self._names)
        except UnreadableError as no:
            message = f"{no}; in CEL it may be {no.proposal}" if no.proposal else str(no)
            self._found.error(pointer(*at), message, no.proposal or None, value)
            return str(value)
        if self._names.asks_the_time:
            self._found.lose(pointer(*at), "the present time is that of the run's start: expressions have no clock")
        return cel

    def _retry(
        self, step: Mapping[str, Any], config: Mapping[str, Any], at: tuple[str | int, ...]
    ) -> dict[str, Any] | None:
        if "retry" not in step:
            more = self._number(config, "maxRetries", 0, 0, ("config",))
            return {"max_attempts": more + 1, "backoff": "none"} if more else None
        at = (*at, "retry")
        retry = self._found.object_at(step["retry"], at)
        self._rest(retry, _RETRY, at)
        backoff = retry.get("backoff", "exponential")
        if backoff not in _BACKOFFS:
            self._found.error(
                pointer(*at, "backoff"), f"must be one of {', '.join(_BACKOFFS)}", list(_BACKOFFS), backoff
            )
        initial = self._number(retry, "initialDelayMs", 1000, 100, at)
        longest = self._number(retry, "maxDelayMs", 60_000, 1000, at)
        if backoff == "exponential" and retry.get("backoffMultiplier", 2) != 2:
            self._found.lose(pointer(*at, "backoffMultiplier"), "waits double here, whatever the multiplier was")
        if backoff == "fixed" and backoff not in BACKOFFS:
            backoff, longest = "exponential", initial  # equivalent: it starts at its maximum
        elif backoff == "linear" and backoff not in BACKOFFS:
            self._found.lose(pointer(*at, "backoff"), "waits double here instead of growing evenly")
            backoff = "exponential"
        attempts = self._number(retry, "maxAttempts", 3, 1, at)
        return {"max_attempts": attempts, "backoff": backoff, "initial": _duration(initial), "max": _duration(longest)}

    def _refuse_shared_inputs(self) -> None:
        for name, called in self._names.named.items():
            if len(called) > 1:
                both = " and ".join(called)
                self._found.error("", f"{both} would be one input {name!r} here; give one of them another name")

    def _inputs(self) -> dict[str, Any]:
        """A schema of the run's inputs: each path that an expression names."""
        for old, new in self._names.renamed.items():
            self._found.lose("", f"the input {old!r} is called {new!r}: its name cannot be used in CEL")
        return _schema(self._names.needed)

    def _rest(self, value: Mapping[str, Any], known: tuple[str, ...], at: tuple[str | int, ...]) -> None:
        for key in value:
            if key not in known:
                self._found.lose(pointer(*at, key), f"{key!r} has no meaning here")

    def _number(self, value: Mapping[str, Any], key: str, default: Any, least: int, at: tuple[str | int, ...]) -> Any:
        number = value.get(key, default)
        if number is default or (isinstance(number, int) and not isinstance(number, bool) and number >= least):
            return number
        self._found.error(pointer(*at, key), f"must be a whole number, at least {least}", least, number)
        return least


def _schema(needed: Mapping[tuple[str, ...], bool]) -> dict[str, Any]:
    """An object schema of the paths; paths that only conditions use are optional."""
    first = dict.fromkeys(way[0] for way in needed)
    properties: dict[str, Any] = {}
    for name in first:
        below = {way[1:]: must for way, must in needed.items() if way[0] == name and len(way) > 1}
        properties[name] = _schema(below) if below else {}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [name for name in first if needed[name,]]:
        schema["required"] = required
    return schema


def _duration(milliseconds: int) -> str:
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


_RED = "[['simpleVerdict', 'RED'], ['verdictType', 'REJECTED'], ['action', 'ABORT']]"
_SHORT = (
    "['simpleVerdict', 'verdictType', 'action', 'errorClass', 'error_class', 'service', 'confidence', 'proposedAction', "
    "'proposed_action', 'fingerprint'].filter(k, k in {0} && type({0}[k]) in [string, int, double]).map(k, k + '=' + string({0}[k]))"
)
"""CEL of a verdict in short, in this order, so that the reason of the abort is found by its words."""

_HELD = {"issue": "type({0}) == map && 'state' in {0} && {0}.state == 'HOLD'", "issueState": "{0} == 'HOLD'"}
"""Variable, as the old workflow spells it → CEL that is true when it says HOLD; ``{0}`` is its value."""


def _red_step(step: str, name: str, taken: str) -> dict[str, Any]:
    """A step ``taken`` that aborts the run when the result ``name`` of ``step`` is RED."""
    value = f"vars.{name}"
    return {
        "id": taken,
        "builtin": "fail",
        "if": f"${{has({value}) && type({value}) == map && {_RED}.exists(p, p[0] in {value} && {value}[p[0]] == p[1])}}",
        "params": {"message": f"RED: the result of step {step!r} aborts the run: ${{{_SHORT.format(value)}}}"},
    }


def _hold_phase(variable: str, name: str) -> dict[str, Any]:
    """A phase that waits for a person while the result ``name`` of the old ``variable`` says HOLD."""
    value = f"vars.{name}"
    return _waits(f"has({value}) && {_HELD[variable].format(value)}", {variable: f"${{{value}}}"})


def _red_at_start(taken: str) -> dict[str, Any]:
    """A step ``taken`` that aborts the run when one of the variables it was started with is RED."""
    variables = "inputs.variables"
    red = f"{_RED}.exists(p, p[0] in {variables}[v] && {variables}[v][p[0]] == p[1])"
    return {
        "id": taken,
        "builtin": "fail",
        "if": f"${{has({variables}) && type({variables}) == map && {variables}.exists(v, type({variables}[v]) == map && {red})}}",
        "params": {"message": "RED: a variable that the run was started with aborts it"},
    }


def _hold_at_start() -> dict[str, Any]:
    """A phase that waits for a person when the run was started with an issue on HOLD."""
    held = [f"('{name}' in inputs.variables && {_HELD[name].format(f'inputs.variables.{name}')})" for name in _HELD]
    asked = f"has(inputs.variables) && type(inputs.variables) == map && ({' || '.join(held)})"
    return _waits(asked, {"variables": "${inputs.variables}"})


def _waits(held: str, shown: Mapping[str, str]) -> dict[str, Any]:
    """A phase that exists only while ``held`` is true. Its artifact is what the person reads."""
    return {
        "title": "The issue is on HOLD",
        "kind": "steps",
        "when": f"${{{held}}}",
        "steps": [{"id": "held", "builtin": "set", "params": {"state": "HOLD", **shown}}],
        "gates": [{"kind": "approval", "question": "The issue is on HOLD. Continue anyway? Reject it to end the run."}],
        "on_fail": [{"do": "fail"}],
    }
