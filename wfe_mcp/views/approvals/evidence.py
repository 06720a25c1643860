"""Evidence of an attempt as a person reads it: one line per gate with its own state, and what reviewers say.

1. Only a gate that ran and passed is ``pass``. A gate that was left out is ``skipped``; one that passed although something
   was missing or overruled is ``warning``; one that is not reached yet is ``not run``.
2. Details are the facts of the stored evidence, in a fixed order; nothing is computed again.

What is unusual about the executions of a check: another program, or fewer tests, than when it first ran in this run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wfe_mcp.core.approval_guards import people_line
from wfe_mcp.core.evidence_levels import level_named
from wfe_mcp.core.model import Attempt, Stage, Verdict
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import duration, plural
from wfe_mcp.gates.judgement import room_note
from wfe_mcp.gates.results import origin
from wfe_mcp.jobs.output import without_notices
from wfe_mcp.store.records.calls import SOURCE, OpinionRecord
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.approvals.model import Finding, GateEvidence, GateState, Named, OpinionShown
from wfe_mcp.views.runs.requests import Unusual
from wfe_mcp.workflow.model.gates import Gate

_STATES: dict[GateOutcome, GateState] = {
    GateOutcome.PASS: "pass",
    GateOutcome.FAIL: "fail",
    GateOutcome.ERROR: "not run",
    GateOutcome.SKIPPED: "skipped",
    GateOutcome.WARNING: "warning",
    GateOutcome.OVERRULED: "warning",
    GateOutcome.GRANTED: "pass",
    GateOutcome.NEEDS_TRUST: "not run",
    GateOutcome.NEEDS_CREDENTIAL: "not run",
}
"""Rule 1."""
NO_REVIEWER = "no reviewer is configured"
"""The line of each reviewer, and doctor, name who is missing, and why."""
_CONDITION_CHARS = 160
"""A longer condition is cut in its line; the details have all of it."""
_RAN = ("passed", "failed", "errors")
_OPINIONS: dict[str, GateState] = {"pass": "pass", "concerns": "warning", "fail": "fail", "missing": "not run"}
IGNORED = "ignored files that may matter"
"""The fact of a gate with the files that its check may have read, although git ignores them."""
_DETAILS = (
    ("command", "argv_run"),
    ("exit code", "exit_code"),
    ("must not change", "unchanged"),
    ("changed", "changed"),
    ("condition", "assert"),
    ("coverage", "coverage_percent"),
    (IGNORED, "ignored"),
    ("notes", "notes"),
)


def gate_lines(
    attempt: Attempt, stage: Stage, gates: Sequence[Gate], evidence: Sequence[EvidenceRecord], owner: str = ""
) -> tuple[GateEvidence, ...]:
    """A line for each of ``gates``, in their order, about the open revision of ``attempt``.

    ``owner``: who owns the agent that made it; said where several people approve: they count as one of them at most.
    """
    verdicts = {
        verdict.gate: verdict
        for verdict in attempt.verdicts
        if verdict.stage == stage and verdict.sha256 == attempt.sha256
    }
    evidence_by_gate = {
        record.gate: record for record in evidence if record.stage == stage and record.sha256 in {attempt.sha256, None}
    }
    return tuple(
        _people(gate, attempt, owner)
        if number == attempt.gate and number not in verdicts and getattr(gate, "people", 1) > 1
        else _line(gate, verdicts.get(number), evidence_by_gate.get(number), is_open=number == attempt.gate)
        for number, gate in enumerate(gates)
    )


def _people(gate: Gate, attempt: Attempt, owner: str) -> GateEvidence:
    """The line of an open gate that several people approve."""
    line = people_line(attempt.approvals, getattr(gate, "people", 1))
    own = f"; {owner} owns the agent that made this" if owner else ""
    return GateEvidence(gate_name(gate), "awaiting", f"{line}{own}")


def besides_allowed_skips(gates: Sequence[Gate], lines: Sequence[GateEvidence]) -> tuple[GateEvidence, ...]:
    """``lines`` without what the template lets be skipped: opinions where no reviewer is configured, of which doctor speaks, and
    claims where none is made. What was not done has them.
    """
    return tuple(
        line
        for gate, line in zip(gates, lines, strict=True)
        if gate.kind not in {"opinion", "claims"} or line.state != "skipped"
    )


def gate_name(gate: Gate) -> str:
    """What a gate is called, as its kind says."""
    return gate.label.format_map(dict(gate))


def _line(gate: Gate, verdict: Verdict | None, evidence: EvidenceRecord | None, *, is_open: bool) -> GateEvidence:
    if verdict is None:
        waits = gate.judged == "person" and is_open
        return GateEvidence(gate_name(gate), "awaiting" if waits else "not run")
    data: Mapping[str, Any] = {} if evidence is None else evidence.data
    state = _STATES[verdict.outcome]
    if data.get("again") and not data.get("passed"):
        return replace(_line(gate, verdict, None, is_open=is_open), state="fail", text=_AGAIN, made_by=_made_by(data))
    level = "" if state == "skipped" else level_named(data.get("level")) or gate.evidence_level() or ""
    return GateEvidence(
        gate_name(gate),
        state,
        _text(gate, verdict, data),
        "" if evidence is None else evidence.at.isoformat(timespec="seconds"),
        tuple(_details(gate, evidence)),
        level,
        "" if evidence is None else _made_by(data),
    )


_AGAIN = "It failed when it was run again."
_MAKERS = {
    "server": "the server of the agent's client",
    "worker": "wfe-mcp worker",
    "page": "wfe-mcp ui",
    "http": "wfe-mcp server",
    "command": "a command in a terminal",
    "again": "a process of its own that checked again",
}


def _made_by(data: Mapping[str, Any]) -> str:
    """Whose evidence it is, as its seal says; ``verify`` says whether the seal holds."""
    seal: dict[str, Any] = data.get("seal") or {}
    return _MAKERS.get(seal.get("by", ""), "unknown: it has no seal")


def _text(gate: Gate, verdict: Verdict, data: Mapping[str, Any]) -> str:
    """The result in one line; of a command its tests, of others the gate's message."""
    is_noted = verdict.outcome is GateOutcome.WARNING and not data.get("room")  # its message begins with the warning
    if (
        gate.kind == "command"
        and verdict.kind is VerdictKind.PASS
        and data.get("exit_code") is not None
        and not is_noted
    ):
        code = data["exit_code"]
        outcome = "" if code == 0 else f"failed, as this gate requires (exit {code}); "
        room = f". {room_note(data['room'])}" if data.get("room") else ""
        return f"{outcome}{_test_summary(data)}{room}"
    if gate.kind == "expr" and verdict.kind is VerdictKind.PASS:
        if gate.rule is not None:
            return str(data.get("rule", gate.rule))
        return f"True: {' '.join(cut(gate.condition, _CONDITION_CHARS).split())}"
    if gate.kind == "opinion" and verdict.outcome is GateOutcome.SKIPPED:
        return NO_REVIEWER
    return verdict.message.strip().partition("\n")[0]


def _test_summary(data: Mapping[str, Any]) -> str:
    tests, took = data.get("tests"), duration(float(data.get("duration_s") or 0))
    if not tests:
        return f"exit {data['exit_code']} after {took}"
    counts = ", ".join(f"{tests[key]} {key}" for key in ("passed", "failed", "errors", "skipped") if tests.get(key))
    source = origin(tests)
    return f"{counts or 'no tests'} in {took}" + (f", counted from {source}" if source else "")


def _details(gate: Gate, evidence: EvidenceRecord | None) -> Iterator[Named]:
    data: Mapping[str, Any] = {} if evidence is None else evidence.data
    stated = gate.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for name, key in _DETAILS:
        value = data.get(key, stated.get(key))
        if value not in (None, "", [], {}):
            yield Named(name, " ".join(value) if key == "argv_run" else value)
    yield from _place(data)
    tests: dict[str, Any] = data.get("tests") or {}
    if tests.get("failing"):
        yield Named("failing tests", [test["id"] for test in tests["failing"]])
    if origin(tests):
        yield Named("counted from", origin(tests))
    output: dict[str, Any] = data.get("output") or {}
    if "tail" in output:
        yield Named("output", without_notices(output["tail"]) or "It printed no output.")
    if evidence is not None and evidence.log_path:
        yield Named("log", evidence.log_path)
    if evidence is not None and evidence.tree:
        yield Named("tree", evidence.tree)


def _place(data: Mapping[str, Any]) -> Iterator[Named]:
    """Where a check ran, and with what."""
    program: dict[str, Any] = data.get("program") or {}
    if program:
        yield Named("program", program_text(program))
    brought = [f"{file['path']} ({file['how']})" for file in data.get("bring") or ()]
    if brought:
        yield Named("brought", brought)
    if data.get("sandbox"):
        image = data["sandbox"].get("image")
        which = f", image {image} ({data['sandbox']['id'][:19]})" if image else ""
        yield Named("sandbox", program_text(data["sandbox"]) + which)
    if data.get("network"):
        yield Named("network", "open")


def program_text(program: Mapping[str, Any]) -> str:
    """The program that a check started, as ``gates.program`` recorded it: where it lies, and its bytes."""
    return f"{program.get('real') or program['path']} (sha256 {str(program['sha256'])[:12]})"


def differing_executions(recorded: Sequence[EvidenceRecord]) -> Iterator[Unusual]:
    """Checks whose program has other bytes, or lies elsewhere, than when they first ran in this run, or of which fewer tests ran."""
    executions: dict[str, list[Mapping[str, Any]]] = {}
    for evidence in recorded:
        if evidence.data.get("check"):
            executions.setdefault(str(evidence.data["check"]), []).append(evidence.data)
    for check, listed in executions.items():
        programs = [program_text(data["program"]) for data in listed if data.get("program")]
        if programs and programs[0] != programs[-1]:
            text = f"Check {check} ran another program than at first."
            yield Unusual("warning", text, f"First {programs[0]}, now {programs[-1]}.")
        counts = [sum(tests.get(key) or 0 for key in _RAN) for data in listed if (tests := data.get("tests"))]
        if counts and counts[-1] < counts[0]:
            text = f"Check {check} ran fewer tests than at first: {counts[-1]:,}, and at first {counts[0]:,}."
            yield Unusual("warning", text, "Tests were taken out, or are skipped, also where no file of tests changed.")


def opinions_shown(
    lines: Sequence[GateEvidence],
    gates: Sequence[Gate],
    attempt: Attempt,
    evidence: Sequence[EvidenceRecord],
    opinions: Sequence[OpinionRecord],
) -> tuple[OpinionShown, ...]:
    """What each reviewer says of the open revision: those of the gates, also who was not asked, then those asked by a call."""
    from wfe_mcp.gates.opinion import who_answered

    opinion_showns: list[OpinionShown] = []
    seen: set[str] = set()
    for number, (line, gate) in enumerate(zip(lines, gates, strict=True)):
        record = [entry for entry in evidence if entry.gate == number and entry.sha256 == attempt.sha256][-1:]
        if gate.kind != "opinion" or not record:
            continue
        data = record[0].data
        for missing in data.get("missing", ()):
            name, _, why = str(missing).partition(": ")
            opinion_showns.append(OpinionShown(name, "", "skipped", why or name))
        for answer in data.get("opinions", ()):
            seen.add(str(answer.get("id", "")))
            who = who_answered("", str(answer.get("model", "")), answer.get("answered_by"))
            opinion_showns.append(
                _opinion_view(
                    answer["reviewer"], who, answer["verdict"], answer.get("opinion"), answer.get("fault", "")
                )
            )
        if line.state == "skipped" and not data.get("missing"):
            opinion_showns += [OpinionShown(reviewer, "", "skipped", line.text) for reviewer in gate.reviewers]
    for opinion in opinions:
        if opinion.artifact_sha256 == attempt.sha256 and opinion.id not in seen:
            who = who_answered("", opinion.model, opinion.answered_by)
            asked = _opinion_view(opinion.reviewer, who, opinion.verdict, opinion.value, "")
            opinion_showns.append(replace(asked, is_advice=opinion.asked_by != "gate"))
    return tuple(opinion_showns)


def _opinion_view(reviewer: str, model: str, verdict: str, value: Mapping[str, Any] | None, fault: str) -> OpinionShown:
    if value is None:
        return OpinionShown(reviewer, model, "not run", fault or "The reviewer did not answer.")
    findings = tuple(
        Finding(
            place=_location(finding),
            **{key: str(finding.get(key, "")) for key in ("severity", "title", "detail", "recommendation")},
        )
        for finding in value.get("findings", ())
    )
    summary = str(value.get("summary") or (f"{plural(len(findings), 'finding')}" if findings else "no summary"))
    return OpinionShown(
        reviewer,
        model,
        _OPINIONS.get(verdict, "not run"),
        summary,
        findings,
        str(value.get("suggestion", "")),
        source_text(value.get(SOURCE, {})),
    )


def source_text(source: Mapping[str, str]) -> str:
    """Where an opinion came from: its address and proxy, or its program."""
    return ", ".join(
        f"{name} {value}" if name in ("address", "proxy") else f"program {name} (sha256 {value})"
        for name, value in source.items()
    )


def _location(finding: Mapping[str, Any]) -> str:
    line = f":{finding['line']}" if finding.get("line") else ""
    return f"{finding['file']}{line}" if finding.get("file") else ""
