"""The ``files`` gate: which files must exist, must not change, may change, or must change.

exist            each glob matches a file now; one that is a file of the tree is not looked for again
unchanged        no changed file matches any glob           ┐
within           every changed file matches some glob       │ changed since the start of the phase or of the run:
changed          some changed file matches some glob        │ modified, created or deleted; of ignored files those that
changed_outside  some changed file matches no glob          ┘ a check may read

What the base branch brought in, by a merge or a rebase, is not looked at for these where it would fail the gate (``from_base.py``).
Data in ``.wfe``, where drafts belong, counts for none; code there counts as any other. What an installation of dependencies writes counts for ``unchanged`` only. Proof that is attached to the run counts for none:
a new picture, ``.txt`` or ``.log`` with exactly the attached bytes, which no check reads as its configuration.
"""

import json
import os
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import ATTACHMENT_BYTES
from wfe_mcp.core.units import shorten_names
from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.gates.scene import BaseFiles, GateScene
from wfe_mcp.workflow.model.gates import FilesGate
from wfe_mcp.workspace.files.paths import match_globs, path_fault, readable
from wfe_mcp.workspace.files.project_files import read_file
from wfe_mcp.workspace.git.repository import why_no_repository
from wfe_mcp.workspace.git.trees import PathChange
from wfe_mcp.workspace.git.watched import defines_checks, is_draft, is_of_environment, is_test
from wfe_mcp.workspace.git.working_tree import changes_between, tree_hash

KIND = "files"
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_NAMED = 2
"""The globs that a message names."""
_LINE_CHARS = 45
"""The files that a message begins with fit into one line of a screen."""


class _Changes(NamedTuple):
    """The files that changed, from the tree ``before`` to ``after``; ``paths`` None: no rule of the gate asks.

    ``ignored``: those that git ignores. ``proof``: those that are only attached. ``base``: what the base branch brought.
    """

    before: str | None = None
    after: str | None = None
    paths: Sequence[str] | None = None
    ignored: Collection[str] = ()
    proof: Sequence[str] = ()
    base: BaseFiles | None = None


def judge(gate: FilesGate, scene: GateScene) -> Judgement:
    """Judge the files of the project. What the phase's own checks write is left out."""
    changes = _Changes()
    if gate.unchanged or gate.model_fields_set & {"changed", "within", "changed_outside"}:
        before = scene.tree_at_run_start if gate.since == "run" else scene.tree_at_start
        after = scene.tree_now or tree_hash(scene.root, scene.ignored)
        if after is None or before is None:
            why, commands = ("the project was not a git repository then", ())
            if after is None:
                why, commands = why_no_repository(scene.root)
            first = f"do this in the project: {' or '.join(commands)}; then " if commands else ""
            # Each attempt has a start of its own, a run has one.
            then = "start a new run" if gate.since == "run" and before is None else "retry the phase"
            return undecided(
                KIND,
                f"Files gate: the changes since the {gate.since} started are unknown: {why}.",
                f"ask the user to {first}{then}.",
            )
        changes = _changes_between(gate, scene, before, after)
    changed, base = changes.paths, changes.base
    absent = [glob for glob in gate.exist if glob not in scene.present and not _exists(scene.root, glob)]
    touched, worked = _paths_to_keep(gate, changed or ()), _paths_of_work(changed or (), changes.ignored)
    strayed = _paths_outside(gate, worked)
    # With no glob, an expression may have yielded none: then no change is enough, and any is outside.
    idle = "changed" in gate.model_fields_set and not any(match_globs(path, gate.changed) for path in worked)
    idle_outside = "changed_outside" in gate.model_fields_set and all(
        match_globs(path, gate.changed_outside) for path in worked
    )
    data: dict[str, Any] = {
        "exist": {glob: glob not in absent for glob in gate.exist},
        "since": gate.since,
        "changed": changed,
        "changed_and_ignored_by_git": [path for path in changed or () if path in changes.ignored],
        "touched": touched,
        "outside": strayed,
        "attached": changes.proof,
        "tree": {"before": changes.before, "after": changes.after},
    }
    if base is not None and not base.remedy and base.all_paths:
        data["base"] = {
            "name": base.name,
            "since": base.since,
            "commit": base.commit,
            "paths": base.paths,
            "merged": base.merged,
        }
    since = f"since the {gate.since} started"
    only = f"{_offenders(changed)} changed {since}, but " if changed else ""
    has = "" if changed else f" has changed {since}"
    wanted = "" if gate.changed == ("**",) else f" that matches {_globs(gate.changed, 'a glob (none given)')}"
    faults = (
        (absent, f"no file matches {_offenders([repr(glob) for glob in absent])}", "write the missing files"),
        (
            touched,
            f"{_offenders(touched)} changed {since}, but must not",
            _step_for(f"restore the files that must not change ({_how_to_restore(gate, scene)})", touched, base),
        ),
        (
            strayed,
            f"{_offenders(strayed)} changed {since}, outside {_globs(gate.within, 'the allowed paths (none)')}",
            _step_for(
                f"undo the changes outside the allowed paths ({_how_to_restore(gate, scene)}; a file that you only submit or attach "
                f"belongs in .wfe/, where data counts for no gate){_another_input(scene.allowed_by, strayed)}",
                strayed,
                base,
            ),
        ),
        (idle, f"{only}no file{wanted}{has}", f"make the change{_not_before(gate, changed)}"),
        (
            idle_outside,
            f"{only}no file outside {_globs(gate.changed_outside)}{has}",
            f"make the change outside these paths{_not_before(gate, changed)}",
        ),
    )
    reasons = [reason for is_fault, reason, _ in faults if is_fault]
    if not reasons:
        return passed(KIND, f"{_held_message(gate, since)}{_base_note(base)}", data)
    steps = ", ".join(dict.fromkeys(step for is_fault, _, step in faults if is_fault))
    return failed(KIND, f"Files gate: {'; '.join(reasons)}.", f"{steps}.", data)


def _changes_between(gate: FilesGate, scene: GateScene, before: str, after: str) -> _Changes:
    """The changed files that the gate judges: without what the base brought, where that would fail it."""
    files, watched = compare_trees(scene.root, before, after)
    in_tree = {readable(file.path) for file in files}
    ignored = {readable(change.path) for change in watched} - in_tree
    added = {readable(file.path) for file in files if file.old is None}
    proof = sorted(path for path in added if _is_proof(scene.root, path, scene.attached))
    counted = (in_tree | ignored).difference(proof)
    # The first tree of a run knows nothing of what this phase's checks write.
    paths = sorted(path for path in counted if not is_draft(path) and not match_globs(path, scene.ignored))
    base: BaseFiles | None = None
    if scene.base is not None and (_paths_to_keep(gate, paths) or _paths_outside(gate, _paths_of_work(paths, ignored))):
        from wfe_mcp.gates.from_base import files_from_base

        heads = [scene.head_at_run_start if gate.since == "run" else scene.head_at_start, scene.head_at_run_start]
        base = files_from_base(scene.root, scene.base, heads, files)
        if base is not None and not base.remedy:
            paths = sorted(set(paths).difference(base.all_paths))
    return _Changes(before, after, paths, ignored, proof, base)


def _paths_to_keep(gate: FilesGate, changed: Sequence[str]) -> list[str]:
    return [path for path in changed if match_globs(path, gate.unchanged)]


def _paths_of_work(changed: Sequence[str], ignored_paths: Collection[str]) -> list[str]:
    """The changed paths without what an installation of dependencies writes."""
    return [path for path in changed if not (path in ignored_paths and is_of_environment(path))]


def _paths_outside(gate: FilesGate, worked: Sequence[str]) -> list[str]:
    """The paths that no glob of ``within`` allows. An expression may yield no glob: then no file may change."""
    return [path for path in worked if "within" in gate.model_fields_set and not match_globs(path, gate.within)]


def _base_note(base: BaseFiles | None) -> str:
    """What a gate that passed says of files that it did not count."""
    if base is None or not base.all_paths:
        return ""
    name = f"{base.name} ({base.commit[:12]})"
    parts = [f"from {name}: {_offenders(base.paths)}"] if base.paths else []
    parts += [f"as merging {name} gives it: {_offenders(base.merged)}"] if base.merged else []
    return f" Not counted, {'; '.join(parts)}."


def _step_for(step: str, offenders: Sequence[str], base: BaseFiles | None) -> str:
    """What to do with files that must not have changed: ``step``, but for those that a branch brought in."""
    if base is None:
        return step
    brought = set(base.all_paths if base.remedy else ()).intersection(offenders)
    both = set(base.both).intersection(offenders)
    steps = [] if brought.union(both).issuperset(offenders) else [step]
    if brought:
        named = f"{_offenders(sorted(brought))}, {base.commit[:12]}"
        steps.append(f"do not undo what {base.name} brought ({named}), but {base.remedy}")
    if both:
        steps.append(
            f"{base.name} changed {_offenders(sorted(both))} too ({base.commit[:12]}), and to restore the file of before would take that out again: "
            "undo the merge or rebase and bring the base in after the run, or ask the user to start another run"
        )
    return "; ".join(steps)


@lru_cache(maxsize=4)
def compare_trees(root: Path, before: str, after: str) -> tuple[Sequence[PathChange], Sequence[PathChange]]:
    """``changes_between``, kept: a submission compares before the transaction in which its gate is judged."""
    return changes_between(root, before, after)


def _not_before(gate: FilesGate, changed: Sequence[str] | None) -> str:
    return "" if changed else f" (what was in the folder before the {gate.since} started does not count)"


def _how_to_restore(gate: FilesGate, scene: GateScene) -> str:
    """How a change is undone, without what the user has uncommitted there: only the checkpoint of the phase's start has all of it."""
    has_checkpoint = gate.since == "phase" and scene.rollback
    checkpoint = f"; {scene.rollback} restores all files of the phase's start" if has_checkpoint else ""
    return f"only what you changed there: the user may have uncommitted work in the same files{checkpoint}"


def _another_input(name: str, strayed: Sequence[str]) -> str:
    """What allows the files, where an input of the run says which are allowed: a run keeps the inputs that it started with.

    Only where all are tests: phases that follow must not change what such an input names, so a source file there stops them.
    """
    if not name or not all(is_test(path) for path in strayed):
        return ""
    value = json.dumps([*strayed[:_NAMED]], ensure_ascii=False)
    return f" or, if the input {name!r} should allow them, start another run with {name}={value}"


def _offenders(paths: Sequence[str]) -> str:
    """The paths that a message begins with: as many as one line of a screen has room for, and at least one."""
    count = next((number for number in range(len(paths), 1, -1) if len(", ".join(paths[:number])) <= _LINE_CHARS), 1)
    return shorten_names(paths, count)


def _globs(globs: Sequence[str], none: str = "(no glob)") -> str:
    """The first globs of a gate; the evidence has all of them."""
    return shorten_names(globs, _NAMED) or none


def _held_message(gate: FilesGate, since: str) -> str:
    """What a gate that passed has found: it distinguishes two gates of one phase."""
    named, keys = _globs, gate.model_fields_set
    rules = (
        (gate.exist, f"exists: {named(gate.exist)}"),
        (gate.unchanged, f"unchanged {since}: {named(gate.unchanged)}"),
        ("within" in keys, f"changed only: {named(gate.within, 'nothing')}"),
        ("changed" in keys, "changed a file" if gate.changed == ("**",) else f"changed: {named(gate.changed)}"),
        ("changed_outside" in keys, f"changed a file outside {named(gate.changed_outside)}"),
    )
    summary = "; ".join(text for holds, text in rules if holds) or "no file is named"
    return f"{summary[:1].upper()}{summary[1:]}."


def _is_proof(root: Path, path: str, attached: frozenset[tuple[str, str]]) -> bool:
    """Whether the new file is only proof: attached with these bytes, and of a kind that no check reads."""
    name = path.rpartition("/")[2]
    if defines_checks(path) or name not in {attached_name for attached_name, _ in attached}:
        return False
    try:
        content = read_file(root, path, ATTACHMENT_BYTES.most)
    except (Refused, OSError):
        return False
    return (name, sha256_hex(content)) in attached and (
        name.lower().endswith((".txt", ".log")) or content.startswith(PICTURES) or content[8:12] == b"WEBP"
    )


def _exists(root: Path, glob: str) -> bool:
    """Whether a file of the project matches. An expression may yield any text: no file matches a path that leads out."""
    # The last link is not followed: a dangling or outward link is not a file of the project.
    if path_fault(glob.removeprefix("./")) is None and (root / glob).is_file() and not (root / glob).is_symlink():
        return True  # also a name with brackets, such as app/[id]/page.test.tsx
    return any(char in glob for char in "*?[") and any(match_globs(path, (glob,)) for path in _all_files(root))


def _all_files(root: Path) -> list[str]:
    """Every file below ``root``, except ``.git`` and ``.wfe``."""
    paths: list[str] = []
    # os.walk: Path.walk came with Python 3.12.
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in {".git", ".wfe"}]
        paths += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    return paths
