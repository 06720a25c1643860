"""The pinned passkeys of a project, and whether they count."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals.approvers import (
    APPROVERS,
    PinnedChain,
    Signer,
    approvers_here,
    person_named,
    pinned_here,
    trusted_before,
)
from wfe_mcp.engine.approvals.passkeys import AT_SERVER, INSTALL, passkeys_are_installed
from wfe_mcp.engine.approvals.pin import own_key
from wfe_mcp.engine.kernel.engine import Engine


@dataclass(frozen=True, slots=True)
class PinnedView:
    """The keys of a project as shown to the user. ``fault``: why none of them counts now, and what to do.

    ``keys``: those in force, with who added each. ``lost``: keys were pinned here once, and their file is gone.
    ``waits``: only the user's trust is missing.
    """

    project: str
    folder: str
    file: str
    keys: tuple[dict[str, Any], ...]
    fault: str = ""
    lost: bool = False
    installed: bool = True
    waits: bool = False


def pinned_view(engine: Engine, *, at_server: bool = False) -> PinnedView:
    """The status of the project's keys in the folder of ``engine``. ``at_server``: for a person in a browser there."""
    chain, fault, waits = PinnedChain(), "", False
    try:
        chain = approvers_here(engine.root)
        if chain.changes:
            pinned_here(engine, engine.root, needs_passkey=False)
    except Refused as refused:
        fault, waits = refused.text, refused.code == "needs_trust"
    installed = passkeys_are_installed()
    if not fault and not installed and (chain.passkeys or not chain.changes):
        fault = _missing(at_server=at_server)
    lost = not chain.changes and not fault and bool(trusted_before(engine))
    file = str(engine.root / APPROVERS)
    return PinnedView(engine.project_id, str(engine.root), file, tuple(_keys(chain)), fault, lost, installed, waits)


def key_words(key: Mapping[str, Any]) -> str:
    """One of the ``keys`` in a line: whose it is, since when, and who pinned it."""
    return f"{key['name']}, since {key['added_at']}, pinned by {key['let_in_by']}"


def data_of(view: PinnedView) -> dict[str, Any]:
    """The same as plain values."""
    data: dict[str, Any] = {"file": view.file, "keys": list(view.keys), "installed": view.installed}
    return data | ({"fault": view.fault} if view.fault else {})


def approvers_path(engine: Engine, name: str = "") -> str:
    """Where on the page the keys of a project are; ``name`` is filled in for a new one."""
    more = f"&name={quote(name, safe='')}" if name else ""
    return f"approvers/{engine.project_id}?in={quote(str(engine.root), safe='')}{more}"


APPROVED = "You approved it, and it needs another person."


def approved_here(engine: Engine, root: Path, approvals: Collection[str]) -> str:
    """That the person of this database's PIN is in ``approvals``, by the keys that are pinned in ``root``, and who else can decide."""
    mine = own_key(engine) if approvals else None
    keys = approvers_here(root).keys if mine else {}
    if mine is None or mine.key not in keys or person_named(keys[mine.key].name) not in approvals:
        return ""
    others = sorted({key.name for key in keys.values() if person_named(key.name) not in approvals})
    who = (
        f"{' or '.join(others)} can decide it."
        if others
        else "No other person's key is pinned: wfe-mcp approvers add NAME"
    )
    return f"{APPROVED} {who}"


def signers(engine: Engine, root: Path, signer: Signer | None = None) -> tuple[tuple[str, ...], str]:
    """The names of the keys that may sign in ``root``, those of ``signer`` alone; where there is none, why, and what to do."""
    try:
        chain = pinned_here(engine, root)
    except Refused as refused:
        return (), refused.text
    if not passkeys_are_installed():
        return (), _missing(at_server=signer is not None)
    names = tuple(key.name for key in chain.passkeys.values() if signer is None or signer.has(key))
    return names, "" if names else "No passkey of yours that was made at this address is pinned in this project."


def _missing(*, at_server: bool) -> str:
    return f"The package for passkeys is not installed here. {AT_SERVER if at_server else INSTALL}"


def _keys(chain: PinnedChain) -> list[dict[str, Any]]:
    names = {change.key.id: change.key.name for change in chain.changes}
    added = {change.key.id: change for change in chain.changes if change.do == "add"}
    return [
        {
            "id": id_,
            "name": key.name,
            "kind": key.kind or "passkey",
            "added_at": added[id_].at,
            "let_in_by": names.get(added[id_].signed_by or "", "PIN"),
        }
        for id_, key in chain.keys.items()
    ]
