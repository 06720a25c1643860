"""Events as sentences: one table, for the page's activity, the log of a run and ``wfe-mcp log``.

``{phase}`` has its attempt where it is not the first; ``{who}`` is the actor. A reason or a comment comes behind a colon,
where there is one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any

from wfe_mcp.core.events import FORMER_NAMES
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.texts import without_middle
from wfe_mcp.core.units import plural
from wfe_mcp.store.old_verdicts import with_outcome
from wfe_mcp.store.records.runs import EventRecord
from wfe_mcp.views.runs.verdicts import verdict_word

_SENTENCES = {
    "RunStarted": "{who} started the run",
    "WhenAnswered": "The condition of {phase} is {value}",
    "LocksNamed": "{phase} will lock {locks}",
    "NextJudged": "Rule {rule} after {phase} does not apply",
    "PhaseReady": "{phase} is ready to start",
    "GatesOpened": "The gates of {phase} began",
    "PromptEdited": "{who} edited the prompt of {phase}",
    "PhaseStarted": "{who} started {phase}",
    "LeaseLost": "The process that worked on {phase} is gone",
    "RevisionSubmitted": "{who} {submitted} revision {revision} of {phase}",
    "SubmissionRefused": "A submission for {phase} was refused{reason}",
    "GateJudged": "{gate} of {phase} {verdict}",
    "ApprovalAwaited": "{phase} needs a decision",
    "ApprovalAsked": "{who} asked for a decision on {phase}",
    "ApprovalHanded": "{by} handed the decision on {phase} to {to}{note}",
    "ApprovalCounted": "{who} approved {phase} as one of several people{comment}",
    "ApprovalGiven": "{who} approved {phase}{comment}",
    "OpinionOverruled": "{who} overruled the reviewers of {phase}{reason}",
    "PhaseCompleted": "{phase} passed{held}",
    "PhaseForced": "{who} accepted {phase} against its gates{reason}",
    "AttemptFailed": "{failed}{reason}",
    "RepairBegan": "{phase} is being {repaired}",
    "RecoveryOpened": "The recovery {key} of {phase} opened",
    "BlockerFound": "{phase} reports a blocker for the {times} time{cause}",
    "RepairEnded": "The repair of {phase} ended{fault}",
    "HumanAwaited": "{phase} waits for a person",
    "AttemptOpened": "Attempt {attempt} of {path} opened",
    "PhaseSkipped": "{who} skipped {phase}{reason}",
    "LoopOpened": "The loop {phase} opened with {items}",
    "ItemOpened": "Item {key} of {phase} opened",
    "ItemClosed": "Item {key} of {phase} is {closed}",
    "LoopFinished": "The loop {phase} needs no further pass",
    "TreeChanged": "The files changed, so the gates of {phase} run again{paths}",
    "WentTo": "{source} led back to {target}, iteration {iteration}",
    "PhaseProceeded": "{who} let the run continue after {phase}",
    "AutoSwitched": "{who} switched automatic mode {auto}",
    "RunPaused": "{who} paused the run{reason}",
    "RunResumed": "{who} resumed the run",
    "RunBlocked": "The run is blocked{reason}",
    "RunFailed": "The run failed{reason}",
    "RunReopened": "{who} reopened the run",
    "RunCompleted": "The run is completed",
    "RunCancelled": "{who} cancelled the run{reason}",
    "CheckpointTaken": "Checkpoint: {why}{note}",
    "RollbackBegan": "{who} began a {kind} to event {to}",
    "RollbackAbandoned": "The files could not be restored{reason}",
    "RolledBack": "{who} took the run back to event {to} ({kind})",
    "RunForked": "{who} forked this run from run {origin}",
    "OperationIntended": "{operation} is prepared{acts_on}",
    "OperationCalled": "{operation} was called",
    "OperationObserved": "{operation} was {observed}",
    "CredentialGiven": "The credential {credential} was given to {to}",
    "RecordsKept": "Recorded {records}",
    "DecisionSigned": "{who} signed the decision",
}
"""Type of an event → what it says."""
_VERDICTS = {
    "pass": "passed",
    "fail": "failed",
    "skipped": "was skipped",
    "warning": "passed with a warning",
    "awaiting": "waits for a person",
    "error": "could not judge",
}
_WHEN = {"start": "before", "completion": "after"}
_VALUES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "phase": lambda event: event["phase"] + (f" (attempt {event['attempt']})" if event.get("attempt", 1) > 1 else ""),
    "path": lambda event: event["phase"] or "the run",
    "value": lambda event: "true" if event["value"] else "false",
    "auto": lambda event: "on" if event["auto"] else "off",
    "locks": lambda event: ", ".join(event["locks"]) or "nothing",
    "rule": lambda event: str(event["rule"] + 1),
    "items": lambda event: plural(len(event["keys"]), "item"),
    "closed": lambda event: "left as it failed" if event.get("failed") else "done",
    "submitted": lambda event: "edited" if event.get("edited") else "submitted",
    "gate": lambda event: (
        ("Prompt gate" if event["verdict"]["stage"] == "before" else "Gate") + f" {event['verdict']['gate'] + 1}"
    ),
    "verdict": lambda event: _verdict(with_outcome(event["verdict"])),
    "failed": lambda event: (
        f"{event['who']} sent {event['phase']} back"
        if event["kind"] == "rejected"
        else f"Attempt {event['attempt']} of {event['phase']} failed"
    ),
    "repaired": lambda event: f"recovered by {event['key']}" if event["what"] == "recover" else "undone",
    "times": lambda event: {1: "first", 2: "second", 3: "third"}.get(event["times"], f"{event['times']}th"),
    "held": lambda event: ", and waits for you to let the run continue" if event.get("held") else "",
    "why": lambda event: (
        f"{_WHEN[event['why']]} {event['phase'] or 'the run'}" if event["why"] in _WHEN else event["why"]
    ),
    "origin": lambda event: f"{event['state']['origin']['run']}, event {event['state']['origin']['seq']}",
    "paths": lambda event: _colon(", ".join(event.get("paths", ()))),
    "operation": lambda event: event["key"].partition(":")[0],
    "acts_on": lambda event: _colon(_plain_values(event["target"])),
    "observed": lambda event: ("undone" if event.get("undone") else "observed") + _colon(_plain_values(event["after"])),
    "records": lambda event: ", ".join(_records(event["records"])),
}
"""What a sentence names that is not a field of the event as it is."""
_BEHIND_A_COLON = frozenset({"reason", "comment", "cause", "fault", "note"})
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
_MOST_OF_A_VALUE = 120
_MOST_CHARS = 300
"""Of a text in a sentence: the event has the rest."""


def sentence(event: EventRecord) -> str:
    """What happened, in one line without a full stop; the type of an event that this version does not know."""
    type_ = FORMER_NAMES.get(event.type, event.type)
    pattern, payload = _SENTENCES.get(type_, type_), {**event.payload, "who": actor_subject(event)}
    named = {name: _value(name, payload) for _, name, _, _ in Formatter().parse(pattern) if name}
    return " ".join(pattern.format_map(named).split())


def actor_subject(event: EventRecord) -> str:
    """The actor, as a sentence begins with it."""
    return "The agent" if event.actor == "agent" else event.actor


def _value(name: str, payload: Mapping[str, Any]) -> str:
    if name in _VALUES:
        return _VALUES[name](payload)
    text = str(payload.get(name) or "")
    if name in _BEHIND_A_COLON:
        return _colon(without_middle(text, _MOST_CHARS))
    return text


_RECORDS = {"evidence": ("piece of evidence", "pieces of evidence"), "shown": ("shown decision", "shown decisions")}
"""Kinds whose names are no nouns that take an s."""


def _records(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How many records of each kind; a step, which is recorded once it has ended, is named."""
    for kind, many in Counter(record["kind"] for record in records).items():
        if kind == "step" and many == 1:
            phase, _, step = next(record["id"] for record in records if record["kind"] == kind).split("/")
            yield f"step {step} of {phase}"
        else:
            yield plural(many, *_RECORDS.get(kind, (kind.replace("_", " "),)))


def _plain_values(values: Mapping[str, Any]) -> str:
    """The texts and numbers of an operation's JSON, without long ones: ``branch ai/7-login, sha 1f3a9c0d2b4e``.

    ``of`` is the key of another operation. Of what holds or not, only that the operation failed is said.
    """
    shown = ["failed"] if values.get("ok") is False else []
    for name, value in values.items():
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "" and name != "of":
            shown.append(f"{name} {_COMMIT.sub(lambda found: found[0][:12], str(value))}")
    return ", ".join(text for text in shown if len(text) <= _MOST_OF_A_VALUE)


def _verdict(verdict: Mapping[str, Any]) -> str:
    message = str(verdict.get("message") or "").partition("\n")[0]
    return _VERDICTS[verdict_word(GateOutcome(verdict["outcome"]))] + _colon(message)


def _colon(text: str) -> str:
    return f": {text}" if text else ""
