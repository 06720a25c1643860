"""Whose word evidence of the level ``runner`` is: the report that a runner signed with the key that it has here, about this run.

The seal of the server says that it judged; the signature of the runner says what it judged.
"""

from collections.abc import Iterator
from typing import Any, cast

from wfe_mcp.engine.access.runners import is_signed, pinned_keys
from wfe_mcp.engine.integrity.discrepancy import Discrepancy
from wfe_mcp.gates.runner_protocol import signed_bytes
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.workspace.git.working_tree import parts_of


def audit_runner_reports(tx: Tx, evidence: list[EvidenceRecord]) -> Iterator[Discrepancy]:
    """What is wrong with each piece of ``evidence``, of one run, that claims to come from a runner."""
    ours = [each for each in evidence if each.data.get("level") == "runner" or "runner" in each.data]
    keys = pinned_keys(tx) if ours else {}
    for each in ours:
        if fault := _fault(each, keys):
            yield Discrepancy("runner_report_wrong", f"evidence {each.id}", fault, each.run_id, None, each.at)


def _fault(each: EvidenceRecord, keys: dict[str, set[str]]) -> str:
    kept = _object(each.data.get("runner"))
    said = _object(kept.get("statement"))
    if not said:
        return "it says that a runner ran the check, and has no report of one"
    name, key = str(said.get("runner")), str(said.get("key"))
    if key not in keys.get(name, set()):
        return f"its report is signed by a key that no runner {name[:60]!r} has had here"
    if not is_signed(signed_bytes(said), str(kept.get("signature")), key):
        return f"the signature of runner {name!r} does not hold for its report"
    data = each.data
    about = (said.get("run"), said.get("phase"), said.get("attempt")) == (each.run_id, each.phase, each.attempt)
    if not about:
        return "its report is about another run, phase or attempt"
    if "exit_code" not in data:
        return ""  # the check did not start
    tree = parts_of(str(_object(data.get("tree")).get("before")))[0]
    told = (said.get("tree"), said.get("exit_code"), said.get("argv"), said.get("log_sha256"))
    kept_facts = (tree, data.get("exit_code"), data.get("argv"), _object(data.get("output")).get("sha256"))
    return "" if told == kept_facts else "the evidence says something else than the report of its runner"


def _object(value: object) -> dict[str, Any]:
    """The value where it is an object; else an empty one: evidence may hold any JSON."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
