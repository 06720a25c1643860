"""What is unusual about a decision, worst first: weakened gates, failures, warnings, what was skipped, then notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.json_pointer import under
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.units import plural, word_set
from wfe_mcp.delivery.git.refs import operation_in_progress
from wfe_mcp.engine.files.tree_binding import changed_since
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.gates.invocation import starts_file
from wfe_mcp.store.records.runs import EvidenceRecord, RunRecord
from wfe_mcp.views.approvals.changes import COMMIT, LOST_GIT, NO_GIT, Delivery, by_folder, in_repositories, is_in_base
from wfe_mcp.views.approvals.evidence import IGNORED, differing_executions
from wfe_mcp.views.approvals.model import Change, GateEvidence, OpinionShown
from wfe_mcp.views.moves.blockers import BEFORE_WORK, changed_before_work, shorten_paths
from wfe_mcp.views.runs.delivery_changed import delivery_at_start, delivery_changed
from wfe_mcp.views.runs.requests import DecisionLine, Unusual, Weight
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.file_diffs import FileDiff
from wfe_mcp.workspace.git.file_facts import LINK
from wfe_mcp.workspace.git.names import is_ours
from wfe_mcp.workspace.git.trees import leads_out
from wfe_mcp.workspace.git.watched import BESIDES_CHECKS, defines_checks, is_draft, is_test

_NAMED = 5
MOST_CANCELLED = 100
"""So many cancelled runs of a project are looked at."""
_NOT_IN_DIFF = "What a check reads there is not in the diff."
_MAY_BE_MORE = "It may have changed more than what is shown: the files were first recorded later, or not yet."
_ORDER = get_args(Weight)
_NO_TEXT = word_set(
    """
    .7z .avif .bin .bmp .bz2 .db .eot .flac .gif .gz .heic .ico .jpeg .jpg .mov .mp3 .mp4 .npy .npz .ogg .otf .parquet .pdf .png .sqlite
    .sqlite3 .tar .tgz .tif .tiff .ttf .wav .webm .webp .woff .woff2 .xz .zip
    """
)
"""Endings of the names of files that no one expects lines of, without those of programs."""


def unusual_things(
    engine: Engine,
    overview: Overview,
    recorded: Sequence[EvidenceRecord],
    changes: Sequence[Change],
    evidence: Sequence[GateEvidence],
    opinions: Sequence[OpinionShown],
    decisions: Sequence[DecisionLine],
    delivery: Delivery | None,
) -> tuple[Unusual, ...]:
    """Everything that is not as the template, or the person, would expect. ``recorded``: as for ``known_things``."""
    with engine.store.read() as tx:
        before_work, began = changed_before_work(engine, tx, overview), delivery_at_start(tx, overview)
    of_files = (
        *_of_unfinished(Path(overview.loaded.record.worktree)),
        *_of_files(overview, recorded, changes, delivers=delivery is not None),
        *_of_what_acts(overview, recorded, changes),
        *_of_watched(overview, changes),
        *(() if delivery is None else _of_commit(Path(overview.loaded.record.worktree), changes, delivery)),
        *(Unusual("warning", text, BEFORE_WORK) for text in before_work),
        *(Unusual("note", text) for text in delivery_changed(engine, overview, began)),
    )
    return known_things(overview, recorded, evidence, opinions, decisions, project_facts(engine), of_files)


def known_things(
    overview: Overview,
    recorded: Sequence[EvidenceRecord],
    evidence: Sequence[GateEvidence],
    opinions: Sequence[OpinionShown],
    decisions: Sequence[DecisionLine],
    project: ProjectFacts,
    of_files: Sequence[Unusual] = (),
) -> tuple[Unusual, ...]:
    """What is unusual by the record alone: no file of the project is compared. ``recorded``: the evidence of the whole run;
    ``of_files``: what a comparison of the files adds.
    """
    listed = [
        *_of_run(overview),
        *_of_conditions(overview),
        *_of_gates(evidence),
        *differing_executions(recorded),
        *_of_opinions(opinions),
        *of_files,
        *project.configuration,
        *_of_decisions(overview, decisions, project),
    ]
    return worst_first(listed)


def worst_first(listed: Iterable[Unusual]) -> tuple[Unusual, ...]:
    """The same, the heaviest first."""
    return tuple(sorted(listed, key=lambda each: _ORDER.index(each.weight)))


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What is unusual about the runs of a project, read once for all of them. ``cancelled``: its newest cancelled runs."""

    configuration: tuple[Unusual, ...]
    cancelled: tuple[RunRecord, ...]


def project_facts(engine: Engine) -> ProjectFacts:
    """Those of the project of ``engine``, now."""
    with engine.store.read() as tx:
        page = tx.runs.page(engine.project_id, status=[RunStatus.CANCELLED], limit=MOST_CANCELLED)
    return ProjectFacts(tuple(_of_configuration(engine)), tuple(page.runs))


def _of_run(overview: Overview) -> Iterator[Unusual]:
    """Gates that configuration removes or weakens, as the run recorded them, and what else the run as a whole tells."""
    yield from (Unusual("weakened", gate.sentence) for gate in find_weakened_gates(overview.loaded))
    forced = [
        f"{attempt.phase} (attempt {attempt.number})"
        for tries in overview.loaded.state.attempts.values()
        for attempt in tries
        if attempt.forced
    ]
    if overview.loaded.state.tainted:
        where = f": {', '.join(forced)}" if forced else ""
        yield Unusual("weakened", f"A gate of this run was overruled by force{where}.")
    if overview.origin is not None:
        yield Unusual("warning", "This run was imported: what was decided in it was decided elsewhere.")
    for file in overview.changed:
        yield Unusual(
            "warning", f"{file.path} differs from the accepted artifact of {file.phase}.", "The accepted one counts."
        )


def _of_gates(evidence: Sequence[GateEvidence]) -> Iterator[Unusual]:
    for line in evidence:
        if line.state == "fail":
            yield Unusual("failed", f"Gate {line.gate} failed.", line.text)
        elif line.state == "skipped":
            yield Unusual("skipped", f"Gate {line.gate} was skipped: {line.text}")
        elif line.state == "warning":
            yield Unusual("warning", f"Gate {line.gate} passed with a warning: {line.text}")
        ignored = next((detail.value for detail in line.details if detail.name == IGNORED), ())
        if ignored:
            yield Unusual(
                "warning",
                f"Check {line.gate} may have read {plural(len(ignored), 'file')} that git ignores.",
                ", ".join(map(str, ignored[:_NAMED])),
            )


def _of_opinions(opinions: Sequence[OpinionShown]) -> Iterator[Unusual]:
    for opinion in opinions:
        who = f"Reviewer {opinion.reviewer}" + (", whose opinion is advice," if opinion.is_advice else "")
        says = {"fail": "says fail", "not run": "did not answer"}.get(opinion.state)
        if says:
            yield Unusual("warning", f"{who} {says}.", opinion.summary)


def _of_unfinished(root: Path) -> Iterator[Unusual]:
    if what := operation_in_progress(root):
        yield Unusual(
            "warning",
            f"A {what} is not finished in this folder.",
            "You approve the files as they are in the middle of it.",
        )


def _of_files(
    overview: Overview, recorded: Sequence[EvidenceRecord], changes: Sequence[Change], *, delivers: bool
) -> Iterator[Unusual]:
    for change in changes[:1]:
        root = Path(overview.loaded.record.worktree)
        links = [file for file in change.files if file.new_mode == LINK]
        linked = [file.path for file in links if file.old_mode not in {"", LINK}]
        out = [file.path for file in links if file.path not in linked and leads_out(root, file.path)]
        if out:
            what = "A link that leads" if len(out) == 1 else "Links that lead"
            yield Unusual("warning", f"{what} out of the project: {shorten_paths(out)}.", _NOT_IN_DIFF)
        if linked:
            what = "a link, and no file" if len(linked) == 1 else "links, and no files"
            yield Unusual("warning", f"Now {what} any more: {shorten_paths(linked)}.", _NOT_IN_DIFF)
        unshown = [file.path for file in change.files if _hides_text(file)]
        inner = in_repositories(root, unshown) if delivers else ()  # named there
        unshown = [path for path in unshown if path not in inner]
        if unshown:
            yield Unusual(
                "warning",
                f"No lines are shown of {shorten_paths(unshown)}.",
                "By the name it is text or a program: it has a zero byte, is too large, or its content of then or now is not stored. Open it.",
            )
        paths = [path for file in change.files for path in (file.path, file.old_path) if path]
        commands = [evidence.data["argv"] for evidence in recorded if evidence.data.get("argv")]
        is_started = starts_file(commands, root)
        touched = [path for path in paths if defines_checks(path) or is_started(path)]
        if touched:
            # A test that is demanded is added: no gate demands lines that were taken away.
            wanted = _demanded_tests(overview, recorded, change.after)
            added = {file.path for file in change.files if not file.removed and file.status in {"added", "modified"}}
            touched = [path for path in touched if path not in wanted & added]
        of_base, merged = (_files_of_base(overview, recorded, change.after, kind) for kind in ("paths", "merged"))
        for named, text, why in (
            (of_base, "As {} has it", "The server fetched it from there, or runs of this project merged it there."),
            (
                merged,
                "As merging {} gives it",
                "The server merged what was there at a phase's start with what the base has.",
            ),
        ):
            for name in dict.fromkeys(named.values()):
                brought = sorted(path for path in paths if named.get(path) == name)
                if brought:
                    yield Unusual("note", f"{text.format(name)}: {shorten_paths(brought)}.", why)
        # What a merge gave has the tests of an earlier phase too.
        touched = [path for path in touched if path not in of_base]
        if touched:
            verb = "defines" if len(touched) == 1 else "define"
            yield Unusual(
                "warning",
                f"{shorten_paths(touched)} changed since the run began.",
                f"It {verb} what the checks run." if len(touched) == 1 else "They define what the checks run.",
            )


def _of_what_acts(
    overview: Overview, recorded: Sequence[EvidenceRecord], changes: Sequence[Change]
) -> Iterator[Unusual]:
    for change in changes[:1]:
        paths = [path for file in change.files for path in (file.path, file.old_path) if path]
        for why, globs in BESIDES_CHECKS.items():
            acting = [path for path in paths if match_globs(path, globs)]
            of_base = _files_of_base(overview, recorded, change.after, "paths") if acting else {}
            if named := [path for path in acting if path not in of_base]:
                yield Unusual("warning", f"{shorten_paths(named)} changed since the run began.", why)


def _hides_text(file: FileDiff) -> bool:
    """Whether new content is not shown although the file is called as text is: a zero byte in a comment is enough for that."""
    is_new = file.new_oid not in {"", file.old_oid}
    return (
        is_new
        and file.kind in {"binary", "large", "unknown"}
        and PurePosixPath(file.path).suffix.lower() not in _NO_TEXT
    )


def _demanded_tests(overview: Overview, recorded: Sequence[EvidenceRecord], now: str) -> set[str]:
    """The tests that a gate of the template demanded and found, unchanged since then: ``exist`` of a files gate,
    and the tests that a check had to see fail. What sets up or configures a runner is never among them.
    """
    demanded: set[str] = set()
    for evidence in _passing_evidence(overview, recorded):
        exist, expect, trees = (under(evidence.data, key) for key in ("exist", "expect", "tree"))
        named = [path for path, is_there in exist.items() if is_there]
        named += [str(test).partition("::")[0] for test in expect.get("fails") or ()]
        tests = {path for path in named if is_test(path)}
        if tests:
            later = changed_since(overview.loaded, evidence.tree or trees.get("after"), now)
            demanded |= tests.difference(later) if later is not None else set()
    return demanded


def _files_of_base(overview: Overview, recorded: Sequence[EvidenceRecord], now: str, kind: str) -> dict[str, str]:
    """The files that a gate found to have come from the base, unchanged since then, with the name and commit of the base.

    ``kind``: the key of the evidence, ``paths`` as the base has them or ``merged``.
    """
    name_by_path: dict[str, str] = {}
    for evidence in _passing_evidence(overview, recorded):
        base = under(evidence.data, "base")
        later = changed_since(overview.loaded, evidence.tree, now) if base else None
        if later is not None:
            named = f"{base['name']} ({base['commit'][:12]})"
            name_by_path |= dict.fromkeys(set(base.get(kind, ())).difference(later), named)
    return name_by_path


def _passing_evidence(overview: Overview, recorded: Sequence[EvidenceRecord]) -> Iterator[EvidenceRecord]:
    """The evidence of gates of the open attempts that passed."""
    passed = {
        (attempt.phase, number, verdict.stage, verdict.gate)
        for attempt in overview.loaded.state.open_attempts
        for number in (attempt.made_in, attempt.number)
        for verdict in attempt.verdicts
        if verdict.outcome is GateOutcome.PASS
    }
    return (record for record in recorded if (record.phase, record.attempt, record.stage, record.gate) in passed)


def _of_watched(overview: Overview, changes: Sequence[Change]) -> Iterator[Unusual]:
    """Files outside the tree that a check may read; and a start whose files cannot be compared any more."""
    for change in changes[:1]:
        for how in ("new", "changed", "removed"):
            paths = [file.name for file in change.watched if file.value == how]
            in_wfe = [path for path in paths if is_ours(path) and not is_draft(path)]
            others = [path for path in paths if not is_ours(path)]
            for listed, where in ((others, "ignored by git or unreadable"), (in_wfe, "in the folder of wfe-mcp")):
                if listed:
                    yield Unusual(
                        "warning",
                        f"{how.capitalize()} since the run began, and {where}: {shorten_paths(listed)}.",
                        "A check may read what no diff and no clean checkout has.",
                    )
        lost, is_known = change.note == LOST_GIT, overview.loaded.state.tree is not None
        if lost and is_known:
            yield Unusual("warning", "Git can no longer read the files of this project.", change.note)
        if not (lost or is_known or change.note == NO_GIT):
            yield Unusual("warning", "Git could not read the files when the run began.", _MAY_BE_MORE)


def _of_commit(root: Path, changes: Sequence[Change], delivery: Delivery) -> Iterator[Unusual]:
    """What the server will commit though the run did not change it; and a change that came into the base without it."""
    for paths in ([file.path for file in change.files] for change in changes if change.since == COMMIT):
        yield Unusual(
            "warning",
            f"The commit will have changes that this run did not make: {shorten_paths(by_folder(paths))}.",
            "They were in the folder, uncommitted, when the run began. List in .gitignore what the project must not have.",
        )
    if inner := in_repositories(root, [file.path for change in changes for file in change.files]):
        yield Unusual(
            "warning",
            f"In a repository of their own, which git commits apart: {shorten_paths(by_folder(inner))}.",
            "A submodule stays as the base has it; at any other the delivery stops.",
        )
    if not delivery.tip:
        yield Unusual(
            "warning",
            f"There is no branch '{delivery.base}' here or on the remote as it was seen last: the delivery stops there.",
            "Name the base in [delivery] base of .wfe/config.toml, and run wfe-mcp trust.",
        )
    if commit := is_in_base(root, changes[0], delivery):
        yield Unusual(
            "warning",
            f"'{delivery.base}' has this change already: commit {commit[:12]}, which this run did not make.",
            "It was there before anyone decided.",
        )
    for commit, line in delivery.acting:
        yield Unusual(
            "warning",
            f"Commit {commit[:12]} is not of this run, and its message acts on a forge or claims something: {line}",
            "The delivery stops at it, unless it squashes.",
        )


def _of_conditions(overview: Overview) -> Iterator[Unusual]:
    """Decisions that the template asks in its own words, and only in a special case."""
    for attempt in overview.loaded.state.open_attempts:
        phase = overview.plan.phase(attempt.phase)
        if attempt.status is not AttemptStatus.AWAITING or phase.when is None:
            continue
        if getattr(overview.plan.gates(attempt)[attempt.gate], "question", None):
            yield Unusual("warning", f"This is asked in a special case only: {phase.title or attempt.phase}.")


def _of_configuration(engine: Engine) -> Iterator[Unusual]:
    from wfe_mcp.engine.approvals.pin_reset import reset_warnings
    from wfe_mcp.engine.integrity.anchoring import lost_anchors
    from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled

    for warning in (*reset_warnings(engine), lost_anchors(engine)):
        if warning:
            yield Unusual("warning", warning)
    own = own_configuration(engine)
    if own.changed:
        text = f"The user configuration changed since the last wfe-mcp trust: {own.file}"
        why = "Putting the file back ends this, and so does trusting it, which shows what it sets now: wfe-mcp trust"
        yield Unusual("warning", text, why)
    enabled = templates_enabled(engine)
    if enabled:
        text = f"Templates re-enabled since the last wfe-mcp trust: {', '.join(enabled)}"
        why = f"The next trust notes that you saw it. To undo it: wfe-mcp templates disable {enabled[0]}"
        yield Unusual("warning", text, why)


def _of_decisions(overview: Overview, decisions: Sequence[DecisionLine], project: ProjectFacts) -> Iterator[Unusual]:
    asked = {
        attempt.phase for attempt in overview.loaded.state.open_attempts if attempt.status is AttemptStatus.AWAITING
    }
    # What was decided again since, or is asked now, needs no word. The text is in stored views, which ``verify`` compares.
    for number, decision in enumerate(decisions):
        who = f"{decision.phase or 'run'}, {decision.decision} by {decision.actor} at {decision.at[:19]}Z"
        is_replaced = decision.phase in asked or any(later.phase == decision.phase for later in decisions[number + 1 :])
        if decision.void and not (decision.phase and is_replaced):
            ended = "rolled back" if decision.void == "rolled_back" else "superseded"
            yield Unusual("warning", f"An approval no longer counts: {who}.", f"Its attempt is {ended}.")
        elif decision.run and decision.decision != "rejected":
            yield Unusual("warning", f"A decision was carried over: {who}.", f"It was made in run {decision.run}.")
    cancelled = cancelled_before(overview, project)
    if cancelled:
        yield Unusual("note", f"Cancelled before this run: {', '.join(f'{run.id} ({run.title})' for run in cancelled)}")


def cancelled_before(overview: Overview, project: ProjectFacts) -> list[RunRecord]:
    """Runs of this project that were cancelled before this one began; of any template, a looser one may follow a strict one."""
    began = overview.loaded.record.created_at
    return [other for other in project.cancelled if other.created_at < began][:_NAMED]
