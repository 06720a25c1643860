"""What the decision view says in words: the titles, sentences and lines that the terminal and the pages lay out.

Rules:
1. They follow from the facts in ``model``, so they are no part of the sha256 that a decision names.
2. An interface adds signs, order, colours, cuts and commands, and no sentence about a fact.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from wfe_mcp.core.model import Stage
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.engine.artifacts.step_target import TargetCall
from wfe_mcp.views.approvals import model
from wfe_mcp.views.approvals.changes import APPROVAL, START
from wfe_mcp.views.approvals.request import DecisionView
from wfe_mcp.views.moves.blockers import shorten_paths
from wfe_mcp.views.values.model import as_text
from wfe_mcp.workspace.git.file_diffs import FileDiff, Hunk

TITLES = {
    "prompt": "Prompt",
    "change": "Change",
    "artifact": "Artifact",
    "earlier": "Earlier artifacts",
    "evidence": "Evidence",
    "opinions": "Opinions",
    "attached": "Attached files",
    "attempts": "Earlier attempts",
}
"""The parts of a decision and their titles, in the order in which they are read; see ``parts``."""
NOTHING_UNUSUAL = "Nothing unusual."
NOT_DONE = "Not done"
TARGET = "An approval lets the server call"
_LISTED = 3
LEFT_OPEN = "It leaves open"
SUGGESTS = "It suggests"
STATUS = {"added": "new file", "deleted": "deleted", "renamed": "renamed"}
"""What happened to a file, where its lines do not say it."""
NO_LINES = {
    "binary": "binary",
    "large": "too large to compare here",
    "submodule": "another commit of a nested repository",
    "unknown": "content not stored",
}
"""Why a file has no lines, by its kind."""


def parts(view: model.ApprovalView) -> tuple[str, ...]:
    """The names of the parts that ``view`` has. A document is read before the files that hold it, other artifacts after."""
    has = {
        "prompt": view.prompt is not None,
        "change": True,
        "artifact": view.artifact is not None,
        "earlier": bool(view.earlier),
        "evidence": True,
        "opinions": bool(view.opinions),
        "attached": bool(view.attachments),
        "attempts": bool(view.attempts),
    }
    names = [name for name in TITLES if has[name]]
    if view.artifact is not None and view.artifact.is_document:
        names.remove("artifact")
        names.insert(names.index("change"), "artifact")
    return tuple(names)


def heading(stage: str, phase: str, title: str) -> str:
    """What a request is about, as a title."""
    return f"{'Let work start on' if stage == Stage.BEFORE else 'Approve'} {phase}: {title}"


def about(view: model.ApprovalView) -> str:
    """In which project and template the decision is, and what its gate asks for."""
    return f"{view.template} in {view.project}, phase {view.phase}, attempt {view.attempt}, {view.stage} its work; assurance {view.assurance}"


def binds(view: model.ApprovalView) -> str:
    """What an approval is bound to."""
    more = [f"tree {view.tree}"] if view.tree else []
    more += [f"the calls above at commit {view.target.head or 'none'}"] if view.target else []
    return " and ".join([f"An approval binds sha256 {view.sha256}", *more]) + "."


def unusual_title(view: model.ApprovalView) -> str:
    """How many things are unusual."""
    count = len(view.unusual)
    return "1 thing is unusual here" if count == 1 else f"{count} things are unusual here"


def input_short(input_: model.Input) -> str:
    """An input in a line: of a list its first parts, of an object its keys, of a default its size."""
    value, whole = input_.value, as_text(input_.value)
    parts = _parts(value) or []
    size = f"{plural(len(parts), 'value')}" if parts else ""
    if input_.is_default:
        return f"as in the template{f' ({size})' if size else ''}"
    if len(parts) > _LISTED and all(isinstance(part, str) for part in parts):
        return shorten_names(parts, _LISTED)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return f"{', '.join(fields)} ({plural(len(fields), 'field')})"
    return size if len(parts) > _LISTED else whole


def input_texts(input_: model.Input, *, is_full: bool) -> tuple[str, str]:
    """The name and the value of an input: in a line, or all of it with a note where it is that of the template."""
    if not is_full:
        return input_.name, input_short(input_)
    return f"{input_.name}{' (as in the template)' if input_.is_default else ''}", as_text(input_.value)


def _parts(value: object) -> list[Any] | None:
    return cast("list[Any]", value) if isinstance(value, list) else None


def not_done_about(view: model.ApprovalView) -> str:
    """How much of the run was not done so far, and how much of that is new."""
    count, new = len(view.not_done), sum(entry.is_new for entry in view.not_done)
    since = "" if new == count else f", {new or 'none'} since the last decision"
    return f"in this run so far: {count}{since}"


def not_done(line: model.NotDone) -> str:
    """A phase or gate that did not happen, why, and whose doing that was."""
    what = f"gate {line.gate} of {line.phase}" if line.gate else f"phase {line.phase}"
    how = f"{line.state} by {line.by}" if line.by else line.state if line.gate else "left out by the template"
    times = f", {line.times:,} times" if line.times > 1 else ""
    return f"{what} {how}{times}: {line.why}"


def not_done_when(line: model.NotDone) -> str:
    """Whether the last decision on the run had it, and when it was, where that is known."""
    at = f", {line.at[:16].replace('T', ' ')} UTC" if line.at else ""
    return f"{'new' if line.is_new else 'as before'}{at}"


def target_about(target: model.Target) -> str:
    """The commit that the calls are about."""
    return f"at commit {target.head}" if target.head else "(no commit)"


def call(one: TargetCall) -> str:
    """A call in a line: its step, what it calls, and when it may be left out."""
    return f"{one.step}: {one.action}" + (f", only if {one.condition}" if one.condition else "")


def call_values(one: TargetCall, target: model.Target) -> list[tuple[str, str]]:
    """What a call of ``target`` hands over, by name, but for what the deployment that it makes is shown with."""
    params: object = one.params
    if not isinstance(params, dict):
        return [("params", as_text(params))] if params is not None else []
    values = cast("dict[str, object]", params)
    deployed = values.get("environment") if one.action == "builtin deploy" else None
    deployments = [deployment for deployment in target.deployments if deployment.environment == deployed]
    shown = {"environment": deployments[0].environment, "commit": deployments[0].commit} if deployments else {}
    return [(name, as_text(value)) for name, value in values.items() if value not in (None, {}, shown.get(name))]


def deployment_values(deployment: model.DeploymentShown) -> list[tuple[str, str]]:
    """What a deployment would change, by name."""
    since = f"since {deployment.before[:12]}" if deployment.before else "the first there"
    more = (f"and {deployment.more_commits:,} more",) if deployment.more_commits else ()
    values = [
        ("environment", f"{deployment.environment} {deployment.address}".strip()),
        ("runs there", _there(deployment)),
        ("would run", deployment.commit),
        (f"commits, {since}", "\n".join((*deployment.commits, *more)) or "none"),
        ("items", "\n".join(deployment.items) or "none"),
        ("checks of its runs", "\n".join(deployment.evidence) or "none"),
        ("a rollback", deployment.rollback),
    ]
    return [(name, value) for name, value in values if value]


def _there(deployment: model.DeploymentShown) -> str:
    """What runs in the environment, or why that is not known."""
    if not deployment.unknown:
        return deployment.before or "no deployment that succeeded"
    return f"not known ({deployment.unknown}); the last that succeeded: {deployment.before or 'none'}"


def change_about(view: model.ApprovalView, change: model.Change) -> str:
    """Since when the files of a change differ, and how many."""
    alone = change.since == START and not change.note and all(other.since != APPROVAL for other in view.changes)
    size = "unknown" if change.note else plural(len(change.files), "file") if change.files else "no files"
    return f"since {change.since}{' (no earlier approval)' if alone else ''}: {size}"


def trees(change: model.Change) -> str:
    """The trees that a change compares; empty where none is known."""
    return f"tree {change.before} → {change.after}" if change.before or change.after else ""


def watched_sentences(change: model.Change) -> list[str]:
    """A sentence for each file outside the tree that a check may read."""
    return [
        f"{file.name} is {'in .wfe' if file.name.startswith('.wfe/') else 'ignored by git or unreadable'} and {file.value}; "
        "a check may read it. Its content is not shown."
        for file in change.watched
    ]


def whose(view: model.ApprovalView) -> str:
    """Which evidence was made by which process, in one line; empty where there is none."""
    makers = dict.fromkeys(line.made_by for line in view.evidence if line.made_by)
    parts = [
        f"{', '.join(dict.fromkeys(line.gate for line in view.evidence if line.made_by == maker))} by {maker}"
        for maker in makers
    ]
    return f"Evidence made: {'; '.join(parts)}." if parts else ""


def file_name(file: FileDiff) -> str:
    """The path of a file; of a renamed one also the old path."""
    return f"{file.old_path} → {file.path}" if file.old_path else file.path


def file_notes(file: FileDiff, holds: str = "") -> list[str]:
    """What else is to know about a file. ``holds``: the name of an artifact that is exactly its text."""
    modes = " → ".join(filter(None, (file.old_mode, file.new_mode)))
    is_changed = file.status == "mode"
    says_mode = is_changed or (bool(file.old_mode and file.new_mode) and file.old_mode != file.new_mode)
    notes = (
        NO_LINES.get(file.kind, ""),
        f"artifact {holds}" if holds else "",
        f"mode {'changed: ' if is_changed else ''}{modes}" if says_mode else "",
        "" if hunks(file) == file.hunks else "line ends: CRLF",
    )
    return [note for note in notes if note]


def hunks(file: FileDiff) -> tuple[Hunk, ...]:
    """What is shown of the lines: without the carriage return where each of them ends with it, which a note says."""
    if not all(line.endswith("\r") for hunk in file.hunks for line in hunk.lines):
        return file.hunks
    return tuple(replace(hunk, lines=tuple(line[:-1] for line in hunk.lines)) for hunk in file.hunks)


def file_ids(file: FileDiff) -> str:
    """The ids of a file's content before and after the change."""
    return f"blob {file.old_oid or 'none'} → {file.new_oid or 'none'}"


def prompt_about(view: model.ApprovalView, prompt: model.Prompt) -> str:
    """Which text a prompt is, and who gets it; of one whose file changed, what to do."""
    where = f"sha256 {prompt.sha256}, in {prompt.file}"
    if prompt.text is None:
        return f"not shown: its file changed after its gates ran. Reject it ({where})"
    reader = "of the server's own steps; no agent gets it" if view.target else "exactly as the agent gets it"
    return f"{reader}, {plural(len(prompt.text.rstrip(chr(10)).split(chr(10))), 'line')}, {where}"


def prompt_origin(prompt: model.Prompt) -> str:
    """Whose text a prompt is; empty where it is what the template makes."""
    who = f"{prompt.suggested_by} rewrote it" if prompt.suggested_by else ""
    if prompt.edited:
        who = f"{who}, then you edited it" if who else "You edited it"
    text = who or ("It carries what was said about it before" if prompt.changes else "")
    return f"{text}. Against the prompt that the template makes:" if prompt.changes else text


def artifact_about(artifact: model.ArtifactShown) -> str:
    """Which revision of which artifact is shown."""
    of = f" of {artifact.phase}" if artifact.phase != artifact.name else ""
    written = f", in {', '.join(artifact.written)}" if artifact.written else ""
    approved = f", {artifact.approved}" if artifact.approved else ""
    return (
        f"{artifact.name}{of}, attempt {artifact.attempt}, revision {artifact.revision}, "
        f"schema {artifact.schema}, sha256 {artifact.sha256}{written}{approved}"
    )


def artifact_claimed(artifact: model.ArtifactShown) -> str:
    """What of it the server did not see; empty where there is nothing."""
    claims = "; ".join(f"{claim.name} {fact_text(claim)}" for claim in artifact.claimed)
    return f"Claimed, not seen by the server: {claims}." if claims else ""


def artifact_changed(artifact: model.ArtifactShown) -> str:
    """How it differs from the revision before; empty where there is none."""
    if not artifact.against:
        return ""
    if not artifact.changes:
        return f"Unchanged since revision {artifact.against}"
    return f"{plural(len(artifact.changes), 'part')} changed since revision {artifact.against}"


def artifact_to_edit(artifact: model.ArtifactShown) -> str:
    """How the artifact is edited; empty where the template does not allow it."""
    return (
        f"To change it, edit {artifact.file}: your next answer stores it, and asks you again." if artifact.file else ""
    )


def evidence_about(view: model.ApprovalView) -> str:
    """Who gathered the evidence, and whether the gates are those of the template."""
    weaker = sum(unusual.weight == "weakened" for unusual in view.unusual)
    gates = f"{plural(weaker, 'gate')} weakened" if weaker else "gates as in the template"
    return f"gathered by the server, {gates}"


def gate_facts(line: model.GateEvidence) -> tuple[model.Named, ...]:
    """The facts of a gate's evidence, from the time on."""
    return (*((model.Named("at", line.at),) if line.at else ()), *line.details)


def fact_text(fact: model.Named) -> str:
    """The value of a fact as text."""
    parts = _parts(fact.value)
    return str(fact.value) if parts is None else ", ".join(map(str, parts))


def fact_short(fact: model.Named) -> str:
    """The value of a fact in a line, where it is a long list; empty where ``fact_text`` is short."""
    parts = _parts(fact.value) or []
    return shorten_names([*map(str, parts)], _LISTED) if len(parts) > _LISTED else ""


def reviewer(opinion: model.OpinionShown) -> str:
    """Who says it: the reviewer, the model that answered, and that it is advice where no gate asked."""
    who = f"{opinion.reviewer} ({opinion.model})" if opinion.model else opinion.reviewer
    return f"{who}, advice" if opinion.is_advice else who


def finding(found: model.Finding) -> str:
    """What a finding says, after its severity and place."""
    more = "; ".join(filter(None, (found.detail, found.recommendation)))
    return f"{found.title} ({more})" if more else found.title


def attempt_reason(earlier: model.AttemptShown) -> str:
    """Why an earlier attempt ended: of one that failed for the person who reads it, else in the words of who ended it."""
    return for_person(earlier.reason) if earlier.state == "failed" else earlier.reason


def attachment(file: model.AttachmentShown) -> str:
    """Which file was attached, and by whom; its note."""
    about_it = (
        f"attachment {file.number}, {file.media_type}, {file.size_bytes:,} bytes, sha256 {file.sha256}, by {file.by}"
    )
    return f"{file.name}, {about_it}" + (f": {file.note}" if file.note else "")


def phrase(view: model.ApprovalView) -> str:
    """What has to be typed besides; empty for nothing."""
    return f"This gate asks for the phrase: {view.phrase}" if view.phrase else ""


def end_sentence(view: DecisionView) -> str:
    """Why a request takes no answer, or what was answered; empty while it is open."""
    match view.state:
        case "open":
            return ""
        case "answered":
            return _answer(view)
        case "expired":
            return f"This request has expired. Ask again: {view.commands.approve}"
        case _ if view.gating:
            return f"{_changed_sentence(view)}, and the gates run again. Wait for them here."
        case _ if view.newer and view.changed:
            return f"{_changed_sentence(view)}, so it is asked again, about the files of now."
        case _ if view.changed:
            return f"{_changed_sentence(view)}, and the gates ran again. This request is closed; its run says what it waits for now."
        case _:
            return "This request is closed: its revision is not open any more."


def _changed_sentence(view: DecisionView) -> str:
    """Which files changed; an edited artifact runs its gates again without any."""
    return (
        f"{shorten_paths(view.changed)} changed after this was asked"
        if view.changed
        else "What this asked about has changed"
    )


def _answer(view: DecisionView) -> str:
    answer = view.answer
    if answer is None:
        return "It was answered."
    outcome = "Approved" if answer.approved else "Rejected" + (f", back to {answer.to}" if answer.to else "")
    how = ", ".join(dict.fromkeys((str(answer.channel), answer.assurance.name.lower())))
    summary = f"{outcome} by {answer.actor} ({how}), {second(answer.at)}."
    then = f" No attempt follows by itself; one that you open has your text: {view.stopped}." if view.stopped else ""
    return f"{summary}{then} {answer.comment}".strip()


def second(moment: datetime) -> str:
    """A time to the second, in UTC."""
    return moment_shown(moment.isoformat(timespec="seconds"))


def moment_shown(moment: str) -> str:
    """A time of a view, for a person to read."""
    return moment.replace("T", " ", 1).replace("+00:00", " UTC")
