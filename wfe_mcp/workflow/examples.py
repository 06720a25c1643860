"""An example for each key of a template, for the reference.

An example is the part of an object with the key and the keys that it requires. ``whole`` completes it to a valid
template; a test lints them all, so that no example becomes invalid.
"""

from collections.abc import Callable, Mapping
from typing import Any

Part = dict[str, Any]

_PLAN: Part = {"id": "plan", "prompt": "Plan ${inputs.goal}", "output": {"artifact": "plan", "schema": "plan@1"}}
_BUILD: Part = {"id": "build", "prompt": "Build it.", "output": {"artifact": "change", "schema": "change@1"}}
_CODE: Part = {"id": "code", "prompt": "Do it.", "output": {"artifact": "change", "schema": "change@1"}}
_REVIEW: Part = {
    "id": "review",
    "prompt": "Review it.",
    "output": {"artifact": "review", "schema": "review@1"},
    "next": [{"if": "${artifacts.review.verdict == 'fail'}", "goto": "build", "max": 2}],
}
_INPUTS: Part = {"type": "object", "properties": {"goal": {"type": "string"}, "number": {"type": "integer"}}}
_EACH: Part = {"in": "${artifacts.plan.steps}", "as": "step"}

_VALUES: Mapping[str, Part] = {
    "template": {
        "format": "wfe/1",
        "name": "tidy_up",
        "version": "1.0.0",
        "title": "Plan, build, review",
        "description": "For changes that touch more than one module.",
        "default": True,
        "inputs": {"type": "object", "required": ["goal"], "properties": {"goal": {"type": "string"}}},
        "roles": {"reviewer": {"description": "Judges, writes no code"}},
        "limits": {"max_iterations": 3, "timeout": "8h"},
        "defaults": {"timeout": "1h", "skip": "never"},
        "phases": [{**_PLAN, "prompt": "Plan it."}],
        "outputs": {"first": "${artifacts.plan.steps[0].title}"},
        "states": {"CREATED": ["DONE"], "DONE": []},
        "initial_state": "CREATED",
        "webhooks": [{"url": "https://example.org/hook"}],
    },
    "limits": {"max_parallel": 2, "max_iterations": 3, "max_invalid": 3, "timeout": "8h", "max_cost": 2.5},
    "role": {"provider": "second", "description": "Judges, writes no code"},
    "webhook": {"url": "https://example.org/hook", "events": ["RunCompleted", "RunFailed"]},
    "phase": {
        "kind": "agent",
        "id": "build",
        "title": "Build what was planned",
        "role": "builder",
        "needs": ["plan"],
        "when": "${size(artifacts.plan.steps) > 1}",
        "prompt": "Build this, first ${artifacts.plan.steps[0].title}",
        "context": ["plan"],
        "output": {"artifact": "change", "schema": "change@1"},
        "prompt_gates": [{"kind": "approval", "assurance": "human"}],
        "gates": [{"kind": "command", "check": "test"}, {"kind": "git", "clean": True}],
        "on_fail": [{"do": "retry", "max_attempts": 3}, {"do": "wait_human"}],
        "next": [{"if": "${size(artifacts.change.files) == 0}", "goto": "plan", "max": 2}],
        "timeout": "30m",
        "retry": {"max_attempts": 2},
        "tools_allowed": ["Read", "Grep"],
        "auto_proceed": False,
        "skip": "never",
        "checkpoint": False,
        "locks": ["database"],
        "enter": "goto_only",
        "compensate": [{"id": "undo", "builtin": "log", "params": {"message": "undone"}}],
        "reaches": "BUILT",
    },
    "llm phase": {"kind": "llm"},
    "human phase": {"kind": "human"},
    "steps phase": {
        "kind": "steps",
        "steps": [{"id": "issue", "tool": "github.get_issue", "params": {"number": "${inputs.number}"}}],
        "max_parallel": 2,
    },
    "loop phase": {
        "kind": "loop",
        "for_each": {"in": "${artifacts.plan.steps}", "as": "step"},
        "until": {"if": "${size(artifacts.change.files) > 0}", "max": 3},
        "phases": [_CODE],
    },
    "for_each": {
        "in": "${artifacts.plan.steps}",
        "as": "step",
        "key": "${step.id}",
        "order_by": "depends_on",
        "max_parallel": 2,
        "on_item_fail": "continue",
    },
    "until": {"if": "${item.index > 1}", "max": 3},
    "flow phase": {
        "kind": "flow",
        "template": "quick_fix",
        "with": {"problem": "${inputs.goal}"},
        "definition": {"format": "wfe/1", "name": "quick_fix", "version": "1.0.0", "phases": [_BUILD]},
    },
    "context bundle": {"bundle": "java", "scope": "api", "optional": True},
    "output": {
        "artifact": "change",
        "schema": "change@1",
        "editable": True,
        "seal": "on_submit",
        "write_to": "docs/change.json",
    },
    "retry": {"max_attempts": 2, "backoff": "exponential", "initial": "5s", "max": "2m"},
    "next": {"if": "${size(artifacts.change.files) == 0}", "goto": "plan", "max": 2},
    "step": {
        "id": "issue",
        "tool": "github.get_issue",
        "check": "test",
        "http": {"url": "https://example.org/health"},
        "builtin": "log",
        "wait": "30s",
        "llm": {"role": "builder", "prompt": "Sum this up: ${inputs.goal}"},
        "params": {"number": "${inputs.number}"},
        "needs": [],
        "assign": "issue",
        "if": "${inputs.number > 0}",
        "retry": {"max_attempts": 3, "backoff": "exponential"},
        "timeout": "30s",
        "continue_on_error": True,
        "idempotency_key": "${run.id}-branch",
        "output": {"schema": {"type": "object", "required": ["title"]}},
    },
    "step retry": {"max_attempts": 5, "backoff": "linear", "initial": "500ms", "max": "30s"},
    "http call": {
        "url": "https://example.org/deploys/${inputs.number}",
        "method": "POST",
        "headers": {"Accept": "application/json"},
        "body": {"goal": "${inputs.goal}"},
        "status": 201,
    },
    "llm call": {"role": "builder", "prompt": "Sum this up: ${inputs.goal}"},
    "step output": {"schema": {"type": "object", "required": ["title"]}},
    "expr gate": {
        "kind": "expr",
        "assert": "${size(artifacts.change.files) > 0}",
        "message": "List every file that you changed, not ${size(artifacts.change.files)}.",
    },
    "files gate": {
        "kind": "files",
        "exist": ["docs/*.md"],
        "unchanged": ["tests/**"],
        "within": ["src/**", "tests/**"],
        "changed": ["src/**"],
        "changed_outside": ["tests/**"],
        "since": "run",
    },
    "git gate": {
        "kind": "git",
        "clean": True,
        "branch": "ai/*",
        "one_commit": True,
        "message": "fix: ",
        "fast_forward": True,
    },
    "report gate": {"kind": "report", "role": "qa", "status": "pass"},
    "command gate": {
        "kind": "command",
        "check": "test",
        "if_missing": "note",
        "level": "checkout",
        "expect": {"exit_code": "nonzero", "fails": "${artifacts.change.tests}"},
    },
    "expect": {
        "exit_code": 0,
        "fails": "${artifacts.change.tests}",
        "passes": ["tests/test_calc.py::test_add"],
        "failing_tests": ["tests/test_calc.py::test_add"],
        "min_tests": 1,
        "no_new_skips": True,
        "coverage_floor": 80,
        "max_duration": "5m",
    },
    "opinion gate": {
        "kind": "opinion",
        "reviewers": ["builder", "qa"],
        "quorum": 1,
        "if_missing": "note",
        "criteria": "Is it as small as it can be?",
        "images": ["shots/*.png"],
        "allow_rewrite": True,
        "on_provider_error": "warn",
        "max_attempts": 2,
    },
    "approval gate": {"kind": "approval", "assurance": "client", "expires": "24h", "phrase": "YES MERGE"},
    "plugin gate": {"kind": "plugin", "use": "acme.no_todo", "with": {"words": ["TODO", "FIXME"]}},
    "on_fail retry": {"do": "retry", "max_attempts": 2, "stage": "before"},
    "on_fail backoff": {"do": "backoff", "max_attempts": 4, "initial": "10s", "max": "10m", "stage": "after"},
    "on_fail goto": {"do": "goto", "phase": "plan", "max": 2},
    "on_fail wait_human": {"do": "wait_human"},
    "on_fail pause": {"do": "pause"},
    "on_fail block": {"do": "block"},
    "on_fail fail": {"do": "fail"},
    "on_fail subflow": {
        "do": "subflow",
        "template": "quick_fix",
        "with": {"problem": "${phase.feedback[0].message}"},
        "max_attempts": 2,
        "same_blocker": 1,
        "definition": {"format": "wfe/1", "name": "quick_fix", "version": "1.0.0", "phases": [_BUILD]},
    },
    "on_fail compensate": {"do": "compensate"},
}
"""Section of the reference → key → a value of it."""

_BESIDE: Mapping[tuple[str, str], Part] = {
    ("template", "states"): {"initial_state": "CREATED"},
    ("template", "initial_state"): {"states": {"CREATED": ["DONE"], "DONE": []}},
    ("llm phase", "kind"): {"role": "builder"},
    ("loop phase", "kind"): {"for_each": _EACH},
    ("loop phase", "phases"): {"for_each": _EACH},
    ("for_each", "key"): {"as": "step"},
    ("retry", "initial"): {"backoff": "exponential"},
    ("retry", "max"): {"backoff": "exponential"},
    ("step", "id"): {"builtin": "log"},
    ("step", "builtin"): {"params": {"message": "begun"}},
    ("step", "params"): {"tool": "github.get_issue"},
    ("step", "needs"): {"builtin": "log"},
    ("step", "assign"): {"tool": "github.get_issue"},
    ("step", "if"): {"builtin": "log"},
    ("step", "retry"): {"tool": "github.get_issue"},
    ("step", "timeout"): {"tool": "github.get_issue"},
    ("step", "continue_on_error"): {"check": "lint"},
    ("step", "idempotency_key"): {"tool": "github.create_branch"},
    ("step", "output"): {"tool": "github.get_issue"},
    ("http call", "body"): {"method": "POST"},
    ("files gate", "kind"): {"exist": ["README.md"]},
    ("files gate", "since"): {"changed": ["src/**"]},
    ("git gate", "kind"): {"clean": True},
}
"""The other keys that the example of a key requires."""

EXAMPLES: Mapping[str, Mapping[str, Part]] = {
    section: {key: {key: value} | _BESIDE.get((section, key), {}) for key, value in values.items()}
    for section, values in _VALUES.items()
}
"""Section of the reference → key → an example."""


def whole(section: str, part: Part, required: Mapping[str, Any]) -> Part:
    """A template with ``part`` in an object of ``section``; ``required``: the required keys of such an object."""
    made = {**required, **part}
    if section == "template":
        return made
    return {
        "format": "wfe/1",
        "name": "example",
        "version": "1.0.0",
        "inputs": _INPUTS,
        "roles": {"builder": {"provider": "first"}, "qa": {"provider": "second"}},
        **_AROUND.get(section, _in_phase(section))(made),
    }


def _phases(*phases: Part) -> Part:
    return {"phases": [_PLAN, *phases]}


def _build(**keys: Any) -> Part:
    return _phases({**_BUILD, **keys}, _REVIEW)


def _step(**keys: Any) -> Part:
    return _phases({"id": "ci", "kind": "steps", "steps": [{"id": "ask", **keys}]})


def _in_phase(section: str) -> Callable[[Part], Part]:
    """Put a gate or rule into a phase, under the key that its section's name implies."""
    if section.startswith("on_fail"):
        undo = EXAMPLES["phase"]["compensate"] if section == "on_fail compensate" else {}
        return lambda rule: _build(on_fail=[rule, {"do": "wait_human"}] if _goes_on(rule) else [rule], **undo)
    return lambda gate: _build(gates=[gate])


def _goes_on(rule: Part) -> bool:
    return rule["do"] in {"retry", "backoff", "goto", "subflow", "compensate"}


_STATES: Part = {"states": {"OPEN": ["BUILT"], "BUILT": ["OPEN"]}, "initial_state": "OPEN"}

_AROUND: Mapping[str, Callable[[Part], Part]] = {
    "limits": lambda part: {"limits": part, **_build()},
    "role": lambda part: {"roles": {"builder": part}, **_build(role="builder")},
    "webhook": lambda part: {"webhooks": [part], **_build()},
    "phase": lambda part: (_STATES if "reaches" in part else {}) | _build(**part),
    "llm phase": lambda part: _build(**part),
    "human phase": lambda part: _build(**part),
    "steps phase": lambda part: _phases({"id": "ci", **part}),
    "loop phase": lambda part: _phases({"id": "build", **part}),
    "for_each": lambda part: _phases({"id": "build", "kind": "loop", "for_each": part, "phases": [_CODE]}),
    "until": lambda part: _phases({"id": "build", "kind": "loop", "until": part, "phases": [_CODE]}),
    "flow phase": lambda part: _phases({"id": "mend", **part}),
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
