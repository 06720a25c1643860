"""What does a reader see of an artifact: the list, the whole, a part, a difference?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.engine.mirrors import unlike_sealed
from wfe_mcp.views.difference import difference

if TYPE_CHECKING:
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.plans import Plan
    from wfe_mcp.engine.standing import Standing
    from wfe_mcp.store.records import LoadedRun, RevisionHead, RevisionRecord
    from wfe_mcp.workflow.model import Gate

__all__ = ["gate_view", "inputs_of", "output_view", "read", "revision_view", "warnings"]

_WHOLE_BYTES = 6_000


def output_view(plan: Plan, path: PhasePath) -> dict[str, Any]:
    """What a phase must hand in: the artifact's name and its JSON Schema."""
    from wfe_mcp.artifacts.registry import json_schema

    return {"artifact": plan.artifact_name(path), "schema": json_schema(plan.schema(path))}


def gate_view(gate: Gate) -> dict[str, Any]:
    """A gate as the template states it, without defaults."""
    return gate.model_dump(mode="json", by_alias=True, exclude_unset=True)


def inputs_of(engine: Engine, loaded: LoadedRun) -> dict[str, Any]:
    """What the run was started with."""
    with engine.store.read() as tx:
        return tx.document(loaded.record.inputs_sha256)


def warnings(engine: Engine, found: Standing) -> list[str]:
    """Accepted artifacts whose files differ from what was accepted."""
    with engine.store.read() as tx:
        changed = unlike_sealed(tx, found.loaded, found.plan)
    return [
        f".wfe/runs/{found.loaded.record.id}/{place} differs from the accepted artifact; the accepted one counts"
        for place in changed
    ]


def read(
    engine: Engine, found: Standing, *, phase: str = "", artifact: str = "", revision: int | None = None,
    pointer: str = "", against: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The data of ``read_artifact``. Without a name: the list of all revisions."""
    run = found.loaded.record.id
    with engine.store.read() as tx:
        if not phase and not artifact:
            heads = [head for path in found.loaded.state.attempts for head in tx.revisions(run, path)]
            return {"artifacts": [_head(head) for head in heads[-50:]]}
        path = _phase_of(found, phase, artifact)
        record = _revision(tx.revisions(run, path), tx, run, path, revision)
        view = revision_view(record, pointer)
        if against:
            other = _revision(tx.revisions(run, path), tx, run, path, _number(against))
            view = {key: view[key] for key in ("artifact", "phase", "revision")} | {
                "against": other.revision,
                "difference": difference(json.loads(other.content), json.loads(record.content)),
            }
        return view


def revision_view(record: RevisionRecord, pointer: str = "") -> dict[str, Any]:
    """A revision with its content, or the part that ``pointer`` names; a long text is cut, saying so."""
    value = _part(json.loads(record.content), pointer)
    text = json.dumps(value, ensure_ascii=False)
    view = _head(record) | ({"pointer": pointer} if pointer else {})
    if len(text.encode()) <= _WHOLE_BYTES:
        return view | {"content": value}
    shown = text.encode()[:_WHOLE_BYTES].decode(errors="ignore")
    keys = list(cast("dict[str, Any]", value)) if isinstance(value, dict) else None
    more = {"keys": keys} if keys else {}
    return view | more | {"cut": True, "text": shown, "bytes": len(text.encode()), "hint": "name a part with pointer"}


def _phase_of(found: Standing, phase: str, artifact: str) -> PhasePath:
    names = {
        path: found.plan.artifact_name(path) for path in found.loaded.state.attempts if found.plan.phase(path).output
    }
    for path, name in names.items():
        if phase in {"", path} and artifact in {"", name}:
            return path
    wanted = artifact or phase
    near = nearest(wanted, [str(name) for name in names.values()] + [str(path) for path in names])
    hint = f"Did you mean {near[0]!r}?" if near else f"Artifacts: {', '.join(str(name) for name in names.values())}."
    if phase and phase not in found.loaded.state.attempts:
        raise Refused("unknown_phase", f"The run has no phase {phase!r}.", hint)
    raise Refused("unknown_artifact", f"The run has no artifact {wanted!r}.", hint)


def _revision(heads: Any, tx: Any, run: str, path: PhasePath, number: int | None) -> RevisionRecord:
    known = [head.revision for head in heads]
    if not known:
        raise Refused(
            "unknown_artifact", f"Phase {path!r} has no artifact yet.", "It is there once the phase has submitted one."
        )
    record = tx.revision(run, path, known[-1] if number is None else number)
    if record is None:
        raise Refused(
            "unknown_artifact", f"Phase {path!r} has no revision {number}.", f"Revisions: {', '.join(map(str, known))}."
        )
    return record


def _number(against: str) -> int:
    if against.isdecimal():
        return int(against)
    raise Refused(
        "unavailable", f"Comparing with {against!r} is not built yet.", "Name a revision number of the same artifact."
    )


def _head(head: RevisionHead) -> dict[str, Any]:
    view: dict[str, Any] = {
        "artifact": head.name, "phase": head.phase, "revision": head.revision, "attempt": head.attempt,
        "iteration": head.iteration, "schema": head.schema_name, "sha256": head.sha256, "source": head.source,
        "at": head.at.isoformat(timespec="seconds"),
    }  # fmt: skip
    return view | ({"sealed": True} if head.sealed_at else {}) | ({"note": head.note} if head.note else {})


def _part(value: Any, pointer: str) -> Any:
    for raw in pointer.split("/")[1:] if pointer else []:
        key = raw.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (KeyError, IndexError, ValueError, TypeError):
            hint = f"There: {_parts_in_words(value)}."
            raise Refused("bad_argument", f"The pointer {pointer!r} leads nowhere at {key!r}.", hint) from None
    return value


def _parts_in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(list(cast("dict[str, Any]", value))[:10])
    return f"a list of {len(cast('list[Any]', value))}" if isinstance(value, list) else "no parts"
