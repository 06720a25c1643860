"""The three verifiers: wfe-mcp and the two programs of scripts/."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.delivery.attestations.signed import TREE
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.attestations.envelope import DECISION, open_envelope
from wfe_mcp.engine.approvals.approvers import ApproverKey, PinnedChain, chain_of
from wfe_mcp.engine.integrity.branch_verification import decisions_in, signer

ROOT = Path(__file__).parents[3]
Found = dict[str, Any]


@cache
def chain_in(approvers: bytes) -> PinnedChain:
    """The keys that count; none where the file is no chain."""
    try:
        return chain_of(approvers)
    except Refused:
        return PinnedChain()


def ours(approvers: bytes, bundle: bytes) -> Found:
    """What wfe-mcp finds."""
    chain = chain_in(approvers)
    read = [open_envelope(raw) for raw in bundle.split(b"\n") if raw]
    found = {
        (each.id, each.kind, each.tree, key.name)
        for each in decisions_in(read)
        if isinstance(key := signer(each, chain), ApproverKey)
    }
    others = sum(each is not None and each.predicate_type != DECISION for each in read)
    return {"decisions": sorted(map(list, found)), "statements": others}


def theirs(command: list[str], folder: Path, approvers: Path, tree: str = TREE) -> dict[str, Found]:
    """What a program of scripts/ finds in all bundles of a folder."""
    names = sorted(str(each) for each in folder.glob("*.intoto.jsonl"))
    done = subprocess.run(
        [*command, str(approvers), tree, *names], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.stderr == ""
    found: dict[str, Found] = json.loads(done.stdout)
    proves = [any(one[1:3] == ["approve", tree] for one in each["decisions"]) for each in found.values()]
    assert done.returncode == (not all(proves)), done
    return {Path(name).name: each for name, each in found.items()}


def programs() -> list[list[str]]:
    node = shutil.which("node")
    python = [[sys.executable, "-I", str(ROOT / "scripts" / "verify_attestations.py")]]
    return python + ([[node, str(ROOT / "scripts" / "verify_attestations.mjs")]] if node else [])
