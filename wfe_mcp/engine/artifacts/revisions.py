"""Revisions: store a submitted artifact inside a change.

The revision is stored and its gates open in one step; files the template writes to the project come last, all of
them or none.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from wfe_mcp.artifacts.content import to_file, written_to
from wfe_mcp.artifacts.validate import TextFile
from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store.records.runs import LoadedRun, RevisionRecord
from wfe_mcp.workspace.files.paths import reserved_as
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic, write_bundle


@dataclass(frozen=True, slots=True)
class Receipt:
    """A stored revision. ``repeated``: these bytes were submitted before; this is their answer."""

    loaded: LoadedRun
    phase: PhasePath
    attempt: int
    revision: int
    repeated: bool = False


def keep_revision(current: RunChange, attempt: Attempt, content: str, source: str, note: str) -> RevisionRecord:
    """Store ``content`` as the next revision of the artifact of ``attempt``."""
    return current.tx.artifacts.add_revision(
        current.run.id,
        attempt.phase,
        attempt.number,
        attempt.iteration,
        current.plan.artifact_name(attempt.phase) or attempt.phase,
        current.plan.schema_name(attempt.phase),
        content,
        sha256_hex(content),
        source,
        note,
        current.at,
    )


def store_revision(
    current: RunChange,
    phase: PhasePath,
    content: str,
    note: str,
    *,
    tree: str | None,
    edited: bool = False,
    by: By | None = None,
) -> Receipt:
    """Store ``content`` as the next revision of the open attempt and open its gates. ``by``: default, the change's actor."""
    attempt = current.attempt(phase)
    revision = keep_revision(current, attempt, content, "edit" if edited else "submit", note)
    output = current.plan.phase(phase).output
    if output is not None and output.seal == "on_submit":
        current.tx.artifacts.seal(current.run.id, phase, revision.revision, current.at)
    kind = c.Edit if edited else c.Submit
    current.give(
        kind(
            phase=phase,
            attempt=attempt.number,
            revision=revision.revision,
            sha256=revision.sha256,
            tree=tree,
            by=by or current.by,
            at=current.at,
        )
    )
    return Receipt(current.loaded, phase, attempt.number, revision.revision)


def write_output(current: RunChange, phase: PhasePath, content: str) -> None:
    """Write the files that the template wants in the project: all files of a bundle or none (S0-25), or one file.

    Last in the change: a refused change has written nothing; a failure here undoes the revision.
    """
    output = _output(current, phase, content)
    if output is None or current.is_rehearsed:
        return
    root, (place, rendered) = Path(current.run.worktree), output
    if any(reserved_as(name) for name in place.split("/")):
        raise Refused(
            "path_outside_project",
            f"The template writes to {place!r:.200}: '.git' and '.wfe' belong to others.",
            "Start a run with inputs that name another place, or ask the user to correct the template.",
        )
    current.seen = None  # it was before these files
    if isinstance(rendered, tuple):
        write_atomic(root, place, rendered[1])
    else:
        write_bundle(root, place, rendered, gone=_written_before(current, phase, root, place, rendered))


def _written_before(
    current: RunChange, phase: PhasePath, root: Path, place: str, bundle: Mapping[str, str]
) -> tuple[str, ...]:
    """The files that only refused bundles of the phase wrote: new since the phase first started, and as written.

    A refused bundle has written its files, because its gates judge them; the next one takes their place.
    """
    from wfe_mcp.workspace.git.working_tree import changes_between

    output = current.plan.phase(phase).output
    first, now = current.state.attempts[phase][0].tree_at_start, current.attempt(phase).tree
    if output is None or first is None or now is None:
        return ()
    accepted = {head.revision for head in current.tx.artifacts.revisions(current.run.id, phase) if head.sealed_at}
    left: dict[str, str] = {}
    kept = set(bundle)
    for (path, number), content in sorted(current.tx.artifacts.contents(current.run.id, output.artifact).items()):
        earlier = _output(current, phase, content) if path == phase else None
        if earlier is not None and earlier[0] == place and not isinstance(earlier[1], tuple):
            left |= earlier[1]
            kept.update(earlier[1] if number in accepted else ())
    left = {name: text for name, text in left.items() if name not in kept}
    if not left:
        return ()
    below = f"{place}/" if place else ""
    try:
        new = {change.path for change in changes_between(root, first, now)[0] if change.old is None}
        return tuple(
            name
            for name, text in left.items()
            if f"{below}{name}" in new and read_if_there(root, f"{below}{name}") == text.encode()
        )
    except Refused:  # trees that are not stored on this machine, or a link in the place of a file
        return ()


def outputs_of(current: RunChange, phase: PhasePath, content: str) -> dict[str, str]:
    """The files that ``write_output`` makes of a revision: path in the project to text. Writes nothing."""
    output = _output(current, phase, content)
    if output is None:
        return {}
    place, rendered = output
    if isinstance(rendered, tuple):
        return {place: rendered[1]}
    below = f"{place}/" if place else ""
    return {f"{below}{path}": text for path, text in rendered.items()}


def _output(current: RunChange, phase: PhasePath, content: str) -> tuple[str, TextFile | dict[str, str]] | None:
    """The path and content the template wants in the project; None when it wants none."""
    output = current.plan.phase(phase).output
    if output is None or output.write_to is None:
        return None
    from wfe_mcp.workflow.expressions import fill_shape

    seen = roots(current, current.attempt(phase), output.write_to)
    place = fill_shape(output, seen, current.plan.expressions).write_to
    assert place is not None, "filling in a field does not take it away"
    value = json.loads(content)
    rendered, own = written_to(place, output.schema_, value), to_file(output.schema_, value)
    place = place.removeprefix("./")
    if not isinstance(rendered, tuple):  # a folder: `.` is the project, and `out/` is `out`
        place = "" if place == "." else place.removesuffix("/")
    if not output.write_json or not isinstance(rendered, tuple) or not isinstance(own, tuple):
        return place, rendered
    return "", {place: rendered[1], f"{place.removesuffix('.md')}.json": own[1]}
