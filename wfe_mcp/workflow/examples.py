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

EXAMPLES: Mapping[str, Mapping[str, Part]] = {
    "template": {
        "format": {"format": "wfe/1"},
        "name": {"name": "tidy_up"},
        "version": {"version": "1.0.0"},
        "title": {"title": "Plan, build, review"},
        "description": {"description": "For changes that touch more than one module."},
        "default": {"default": True},
        "inputs": {"inputs": {"type": "object", "required": ["goal"], "properties": {"goal": {"type": "string"}}}},
        "roles": {"roles": {"reviewer": {"description": "Judges, writes no code"}}},
        "limits": {"limits": {"max_iterations": 3, "timeout": "8h"}},
        "defaults": {"defaults": {"timeout": "1h", "skip": "never"}},
        "phases": {"phases": [{**_PLAN, "prompt": "Plan it."}]},
        "outputs": {"outputs": {"first": "${artifacts.plan.steps[0].title}"}},
        "states": {"states": {"CREATED": ["DONE"], "DONE": []}, "initial_state": "CREATED"},
        "initial_state": {"states": {"CREATED": ["DONE"], "DONE": []}, "initial_state": "CREATED"},
        "webhooks": {"webhooks": [{"url": "https://example.org/hook"}]},
    },
    "limits": {
        "max_parallel": {"max_parallel": 2},
        "max_iterations": {"max_iterations": 3},
        "max_invalid": {"max_invalid": 3},
        "timeout": {"timeout": "8h"},
        "max_cost": {"max_cost": 2.5},
    },
    "role": {
        "provider": {"provider": "second"},
        "description": {"description": "Judges, writes no code"},
    },
    "webhook": {
        "url": {"url": "https://example.org/hook"},
        "events": {"events": ["RunCompleted", "RunFailed"]},
    },
    "phase": {
        "kind": {"kind": "agent"},
        "id": {"id": "build"},
        "title": {"title": "Build what was planned"},
        "role": {"role": "builder"},
        "needs": {"needs": ["plan"]},
        "when": {"when": "${size(artifacts.plan.steps) > 1}"},
        "prompt": {"prompt": "Build this, first ${artifacts.plan.steps[0].title}"},
        "context": {"context": ["plan"]},
        "output": {"output": {"artifact": "change", "schema": "change@1"}},
        "prompt_gates": {"prompt_gates": [{"kind": "approval", "assurance": "human"}]},
        "gates": {"gates": [{"kind": "command", "check": "test"}, {"kind": "git", "clean": True}]},
        "on_fail": {"on_fail": [{"do": "retry", "max_attempts": 3}, {"do": "wait_human"}]},
        "next": {"next": [{"if": "${size(artifacts.change.files) == 0}", "goto": "plan", "max": 2}]},
        "timeout": {"timeout": "30m"},
        "retry": {"retry": {"max_attempts": 2}},
        "tools_allowed": {"tools_allowed": ["Read", "Grep"]},
        "auto_proceed": {"auto_proceed": False},
        "skip": {"skip": "never"},
        "checkpoint": {"checkpoint": False},
        "locks": {"locks": ["database"]},
        "enter": {"enter": "goto_only"},
        "compensate": {"compensate": [{"id": "undo", "builtin": "log", "params": {"message": "undone"}}]},
        "reaches": {"reaches": "BUILT"},
    },
    "llm phase": {"kind": {"kind": "llm", "role": "builder"}},
    "human phase": {"kind": {"kind": "human"}},
    "steps phase": {
        "kind": {"kind": "steps"},
        "steps": {"steps": [{"id": "issue", "tool": "github.get_issue", "params": {"number": "${inputs.number}"}}]},
        "max_parallel": {"max_parallel": 2},
    },
    "loop phase": {
        "kind": {"kind": "loop", "for_each": _EACH},
        "for_each": {"for_each": {"in": "${artifacts.plan.steps}", "as": "step"}},
        "until": {"until": {"if": "${size(artifacts.change.files) > 0}", "max": 3}},
        "phases": {"phases": [_CODE], "for_each": _EACH},
    },
    "for_each": {
        "in": {"in": "${artifacts.plan.steps}"},
        "as": {"as": "step"},
        "key": {"as": "step", "key": "${step.id}"},
        "order_by": {"order_by": "depends_on"},
        "max_parallel": {"max_parallel": 2},
        "on_item_fail": {"on_item_fail": "continue"},
    },
    "until": {
        "if": {"if": "${item.index > 1}"},
        "max": {"max": 3},
    },
    "flow phase": {
        "kind": {"kind": "flow"},
        "template": {"template": "quick_fix"},
        "with": {"with": {"problem": "${inputs.goal}"}},
        "definition": {"definition": {"format": "wfe/1", "name": "quick_fix", "version": "1.0.0", "phases": [_BUILD]}},
    },
    "context bundle": {
        "bundle": {"bundle": "java"},
        "scope": {"scope": "api"},
        "optional": {"optional": True},
    },
    "output": {
        "artifact": {"artifact": "change"},
        "schema": {"schema": "change@1"},
        "editable": {"editable": True},
        "seal": {"seal": "on_submit"},
        "write_to": {"write_to": "docs/change.json"},
    },
    "retry": {
        "max_attempts": {"max_attempts": 2},
        "backoff": {"backoff": "exponential"},
        "initial": {"backoff": "exponential", "initial": "5s"},
        "max": {"backoff": "exponential", "max": "2m"},
    },
    "next": {
        "if": {"if": "${size(artifacts.change.files) == 0}"},
        "goto": {"goto": "plan"},
        "max": {"max": 2},
    },
    "step": {
        "id": {"id": "issue", "builtin": "log"},
        "tool": {"tool": "github.get_issue"},
        "check": {"check": "test"},
        "http": {"http": {"url": "https://example.org/health"}},
        "builtin": {"builtin": "log", "params": {"message": "begun"}},
        "wait": {"wait": "30s"},
        "llm": {"llm": {"role": "builder", "prompt": "Sum this up: ${inputs.goal}"}},
        "params": {"tool": "github.get_issue", "params": {"number": "${inputs.number}"}},
        "needs": {"builtin": "log", "needs": []},
        "assign": {"tool": "github.get_issue", "assign": "issue"},
        "if": {"builtin": "log", "if": "${inputs.number > 0}"},
        "retry": {"tool": "github.get_issue", "retry": {"max_attempts": 3, "backoff": "exponential"}},
        "timeout": {"tool": "github.get_issue", "timeout": "30s"},
        "continue_on_error": {"check": "lint", "continue_on_error": True},
        "idempotency_key": {"tool": "github.create_branch", "idempotency_key": "${run.id}-branch"},
        "output": {"tool": "github.get_issue", "output": {"schema": {"type": "object", "required": ["title"]}}},
    },
    "step retry": {
        "max_attempts": {"max_attempts": 5},
        "backoff": {"backoff": "linear"},
        "initial": {"initial": "500ms"},
        "max": {"max": "30s"},
    },
    "http call": {
        "url": {"url": "https://example.org/deploys/${inputs.number}"},
        "method": {"method": "POST"},
        "headers": {"headers": {"Accept": "application/json"}},
        "body": {"method": "POST", "body": {"goal": "${inputs.goal}"}},
        "status": {"status": 201},
    },
    "llm call": {
        "role": {"role": "builder"},
        "prompt": {"prompt": "Sum this up: ${inputs.goal}"},
    },
    "step output": {"schema": {"schema": {"type": "object", "required": ["title"]}}},
    "expr gate": {
        "kind": {"kind": "expr"},
        "assert": {"assert": "${size(artifacts.change.files) > 0}"},
        "message": {"message": "List every file that you changed, not ${size(artifacts.change.files)}."},
    },
    "files gate": {
        "kind": {"kind": "files", "exist": ["README.md"]},
        "exist": {"exist": ["docs/*.md"]},
        "unchanged": {"unchanged": ["tests/**"]},
        "within": {"within": ["src/**", "tests/**"]},
        "changed": {"changed": ["src/**"]},
        "changed_outside": {"changed_outside": ["tests/**"]},
        "since": {"changed": ["src/**"], "since": "run"},
    },
    "git gate": {
        "kind": {"kind": "git", "clean": True},
        "clean": {"clean": True},
        "branch": {"branch": "ai/*"},
        "one_commit": {"one_commit": True},
        "message": {"message": "fix: "},
        "fast_forward": {"fast_forward": True},
    },
    "report gate": {
        "kind": {"kind": "report"},
        "role": {"role": "qa"},
        "status": {"status": "pass"},
    },
    "command gate": {
        "kind": {"kind": "command"},
        "check": {"check": "test"},
        "if_missing": {"if_missing": "note"},
        "level": {"level": "checkout"},
        "expect": {"expect": {"exit_code": "nonzero", "fails": "${artifacts.change.tests}"}},
    },
    "expect": {
        "exit_code": {"exit_code": 0},
        "fails": {"fails": "${artifacts.change.tests}"},
        "passes": {"passes": ["tests/test_calc.py::test_add"]},
        "failing_tests": {"failing_tests": ["tests/test_calc.py::test_add"]},
        "min_tests": {"min_tests": 1},
        "no_new_skips": {"no_new_skips": True},
        "coverage_floor": {"coverage_floor": 80},
        "max_duration": {"max_duration": "5m"},
    },
    "opinion gate": {
        "kind": {"kind": "opinion"},
        "reviewers": {"reviewers": ["builder", "qa"]},
        "quorum": {"quorum": 1},
        "if_missing": {"if_missing": "note"},
        "criteria": {"criteria": "Is it as small as it can be?"},
        "images": {"images": ["shots/*.png"]},
        "allow_rewrite": {"allow_rewrite": True},
        "on_provider_error": {"on_provider_error": "warn"},
        "max_attempts": {"max_attempts": 2},
    },
    "approval gate": {
        "kind": {"kind": "approval"},
        "assurance": {"assurance": "client"},
        "expires": {"expires": "24h"},
        "phrase": {"phrase": "YES MERGE"},
    },
    "plugin gate": {
        "kind": {"kind": "plugin"},
        "use": {"use": "acme.no_todo"},
        "with": {"with": {"words": ["TODO", "FIXME"]}},
    },
    "on_fail retry": {"do": {"do": "retry"}, "max_attempts": {"max_attempts": 2}, "stage": {"stage": "before"}},
    "on_fail backoff": {
        "do": {"do": "backoff"},
        "max_attempts": {"max_attempts": 4},
        "initial": {"initial": "10s"},
        "max": {"max": "10m"},
        "stage": {"stage": "after"},
    },
    "on_fail goto": {"do": {"do": "goto"}, "phase": {"phase": "plan"}, "max": {"max": 2}},
    "on_fail wait_human": {"do": {"do": "wait_human"}},
    "on_fail pause": {"do": {"do": "pause"}},
    "on_fail block": {"do": {"do": "block"}},
    "on_fail fail": {"do": {"do": "fail"}},
    "on_fail subflow": {
        "do": {"do": "subflow"},
        "template": {"template": "quick_fix"},
        "with": {"with": {"problem": "${phase.feedback[0].message}"}},
        "max_attempts": {"max_attempts": 2},
        "same_blocker": {"same_blocker": 1},
        "definition": {"definition": {"format": "wfe/1", "name": "quick_fix", "version": "1.0.0", "phases": [_BUILD]}},
    },
    "on_fail compensate": {"do": {"do": "compensate"}},
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
