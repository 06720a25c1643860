"""The passkeys that may sign in this project: a signed chain of changes in ``.wfe/approvers.json``.

    .wfe/approvers.json     change 1: add A        first enrolment: trust on first use, behind the PIN
                            change 2: add B        signed by A, over this change and all before it
                            change 3: remove A     signed by A or B …

Rules:
1. The file is a chain of changes and records who added each key; one invalid signature voids the whole chain.
2. It is versioned and committed by people. It names approvers, so its bytes count only once the user trusts them; what
   this program writes after a valid signature is trusted with it.
3. The file is enough to check it: ``verify --approvals`` does so in CI.
4. People are compared by the name of their key, never by key or channel: two keys of one name are one person. What is not
   pinned is no one's: another key, a form in a client, an agent's token.
5. A passkey that a person made at a server waits, a row of the database and in the settings log, until one who may pins it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from unicodedata import category, normalize

from pydantic import Field, ValidationError

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.canonical import sha256_hex, sha256_of, signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel, Person
from wfe_mcp.engine.approvals.keys import fingerprint
from wfe_mcp.engine.approvals.passkeys import Assertion, Base64, Site, Strict
from wfe_mcp.engine.approvals.statements import signature_fault
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

APPROVERS = ".wfe/approvers.json"
FORMAT = "wfe-approvers/1"
_MAX_BYTES = 1_000_000


class ApproverKey(Strict):
    """A pinned key: its id, its display name and its public half.

    ``kind`` None: a passkey, with the authenticator's id and a COSE key. ``person``: the key that a PIN unlocks; its id
    is the fingerprint, its public half 32 bytes. ``origin``: of the server at which a passkey was made and signs; None: of a
    page on the person's own machine.
    """

    id: str = Base64
    name: str = Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=64)
    public_key: str = Base64
    kind: Literal["person"] | None = None
    origin: str | None = Field(default=None, pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", max_length=300)


class ApproverChange(Strict):
    """A key that was added or removed. ``signed_by`` None: the first key, trusted on first use.

    ``assertion``: the signature of a passkey; ``signature``: that of a person's key.
    """

    do: Literal["add", "remove"]
    key: ApproverKey
    at: str
    signed_by: str | None = None
    assertion: Assertion | None = None
    signature: str | None = None


class _File(Strict):
    format: Literal["wfe-approvers/1"]
    changes: list[ApproverChange] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs at a page. ``name``: the person who is logged in there; empty: who sits at this machine, with any of its keys."""

    site: Site
    name: str = ""

    def has(self, key: ApproverKey) -> bool:
        """Whether the key is of this site, and of this person."""
        return key.kind is None and key.origin == self.site.of_key and self.name in {"", key.name}


@dataclass(frozen=True, slots=True)
class PinnedChain:
    """A chain of changes in which every signature holds."""

    changes: tuple[ApproverChange, ...] = ()

    @property
    def head(self) -> str:
        """The sha256 that names the chain as it is now."""
        return sha256_of([_plain(change) for change in self.changes])

    @property
    def keys(self) -> dict[str, ApproverKey]:
        """The keys in force, by id."""
        key_by_id: dict[str, ApproverKey] = {}
        for change in self.changes:
            if change.do == "add":
                key_by_id[change.key.id] = change.key
            else:
                del key_by_id[change.key.id]
        return key_by_id

    @property
    def passkeys(self) -> dict[str, ApproverKey]:
        """The passkeys in force, by id."""
        return {id_: key for id_, key in self.keys.items() if key.kind is None}

    def passkeys_of(self, signer: Signer) -> dict[str, ApproverKey]:
        """Those of them that ``signer`` can sign with."""
        return {id_: key for id_, key in self.passkeys.items() if signer.has(key)}

    def at_head(self, head: str) -> PinnedChain | None:
        """The chain as it was when ``head`` named it; None when it never was."""
        cuts = (PinnedChain(self.changes[:length]) for length in range(1, len(self.changes) + 1))
        return next((cut for cut in cuts if cut.head == head), None)

    @property
    def versions(self) -> list[str]:
        """The sha256 of the file's text after each change, oldest first."""
        return [PinnedChain(self.changes[:length]).sha256 for length in range(1, len(self.changes) + 1)]

    @property
    def text(self) -> str:
        """The one text of the file."""
        document = {"format": FORMAT, "changes": [_plain(change) for change in self.changes]}
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def sha256(self) -> str:
        """The sha256 of the file's text."""
        return sha256_hex(self.text)


def person_keys(chain: PinnedChain) -> dict[str, str]:
    """The people's keys that were ever pinned: fingerprint to public half."""
    added = (change.key for change in chain.changes if change.do == "add")
    return {key.id: key.public_key for key in added if key.kind == "person"}


def change_statement(before: PinnedChain, do: str, key: ApproverKey, at: str) -> dict[str, Any]:
    """The statement signed to add or remove ``key``: this change and, by its head, the chain before it."""
    number = len(before.changes) + 1
    return {
        "format": FORMAT,
        "change": number,
        "before": before.head,
        "do": do,
        "key": key.model_dump(exclude_none=True),
        "at": at,
    }


def chain_of(raw: bytes) -> PinnedChain:
    """The chain in the bytes of a file. Refuses ``conflict``: missing file, non-canonical text, unsigned change."""
    try:
        file = _File.model_validate(parse_json(raw, max_bytes=_MAX_BYTES))
    except ValidationError as error:
        raise _broken(f"it is no {FORMAT} file: {error.errors()[0]['loc']} {error.errors()[0]['msg']}") from error
    except Refused as refused:
        raise _broken(f"it cannot be read: {refused.message}") from refused
    chain = PinnedChain()
    for number, change in enumerate(file.changes, 1):
        _refuse_unsigned(chain, change, f"change {number} ({change.do} {change.key.name!r})")
        chain = PinnedChain((*chain.changes, change))
    # Git may have given it the line ends of the system.
    if raw.replace(b"\r\n", b"\n").decode() != chain.text:
        raise _broken("it is not spelled as wfe-mcp writes it")
    return chain


def _refuse_unsigned(before: PinnedChain, change: ApproverChange, what: str) -> None:
    keys = before.keys
    if (change.do == "add") == (change.key.id in keys):
        raise _broken(
            f"{what} {'adds a key that is there' if change.do == 'add' else 'removes a key that is not there'}"
        )
    if change.do == "remove" and (len(keys) == 1 or keys[change.key.id] != change.key):
        raise _broken(f"{what} would leave no key, or names another one")
    _refuse_misnamed(change.key, what)
    if not before.changes:
        if change.signed_by is not None or change.assertion is not None or change.signature is not None:
            raise _broken(f"{what} is the first, and no earlier key signed it")
        return
    signer = keys.get(change.signed_by or "")
    is_persons = signer is not None and signer.kind == "person"
    named = None if change.assertion is None else change.assertion.id
    if signer is None or (change.signature is None) == is_persons or named != (None if is_persons else signer.id):
        raise _broken(f"{what} is not signed by a key that was pinned before it")
    statement = change_statement(before, change.do, change.key, change.at)
    proof = change.assertion or change.signature or ""
    fault = signature_fault(statement, proof, signer.public_key, signer.origin)
    if fault:
        raise _broken(f"{what} is not signed by {signer.name!r}: {fault.removesuffix('.')}")


def _refuse_misnamed(key: ApproverKey, what: str) -> None:
    if key.kind == "person":
        try:
            if key.origin is None and fingerprint(key.public_key) == key.id:
                return
        except ValueError:
            pass
        raise _broken(f"{what} names a key by another fingerprint, or by a site")


def _broken(why: str) -> Refused:
    return Refused(
        "conflict",
        f"No key in {APPROVERS} counts: {why}.",
        f"See who wrote it (git log -p {APPROVERS}) and bring back what was there before.",
    )


# in a project


def approvers_file(root: Path) -> bytes | None:
    """The bytes of the file in the folder ``root``; None when there is none."""
    return read_if_there(root, APPROVERS, _MAX_BYTES)


def approvers_here(root: Path) -> PinnedChain:
    """The chain in ``root``, trusted or not; empty when there is no file. Refuses ``conflict``."""
    raw = approvers_file(root)
    return PinnedChain() if raw is None else chain_of(raw)


def pinned_here(engine: Engine, root: Path, *, needs_passkey: bool = True) -> PinnedChain:
    """The keys that count in ``root``. Refuses: no passkey, ``needs_trust``, ``conflict``, ``unavailable`` without the extra."""
    chain = approvers_here(root)
    if not (chain.passkeys if needs_passkey else chain.changes):
        raise Refused("unavailable", "No passkey is pinned in this project.", "Pin one: wfe-mcp approvers add NAME")
    with engine.store.read() as tx:
        if not tx.trust.is_given(engine.project_id, trust_key(), chain.sha256):
            raise Refused(
                "needs_trust",
                f"{APPROVERS} has changed and is not trusted.",
                "Look at it and trust it: wfe-mcp trust approvers",
            )
    return chain


def trusted_chain(tx: Tx, project: str, chain: PinnedChain) -> PinnedChain:
    """``chain`` where a person trusts it here, or a chain that it extends; else no keys.

    Anyone can write the file. Each change but the first is signed by a key before it, so what extends a trusted chain
    was let in by a trusted key.
    """
    return PinnedChain() if _trusted_texts(tx, project).isdisjoint(chain.versions) else chain


def chain_of_run(engine: Engine, tx: Tx, worktree: str) -> PinnedChain:
    """The keys that may have signed in a run, trusted here: those of its folder. Refuses ``conflict``.

    Those of the project where the folder has the file of before a change of them, or is gone: each proof names its keys.
    """
    for folder in (Path(worktree), engine.root):
        if folder.is_dir() and (chain := trusted_chain(tx, engine.project_id, approvers_here(folder))).changes:
            return chain
    return PinnedChain()


def trust_key() -> str:
    """The name of the file in the trust records, for every worktree of the project."""
    return f"approvers:{APPROVERS}"


def pending_approvers(engine: Engine) -> PinnedChain | None:
    """The chain that needs trust. None also when it is void or cannot be checked."""
    try:
        chain = approvers_here(engine.root)
    except Refused:
        return None
    with engine.store.read() as tx:
        known = not chain.changes or tx.trust.is_given(engine.project_id, trust_key(), chain.sha256)
    return None if known else chain


def continues(engine: Engine, chain: PinnedChain) -> bool:
    """True when the chain extends one that the user trusted here."""
    return not trusted_before(engine).isdisjoint(chain.versions[:-1])


def trusted_before(engine: Engine) -> set[str]:
    """The sha256 of every text of the file that the user has trusted in this project."""
    with engine.store.read() as tx:
        return _trusted_texts(tx, engine.project_id)


def _trusted_texts(tx: Tx, project: str) -> set[str]:
    return {trust.sha256 for trust in tx.trust.of_project(project) if trust.path_key == trust_key()}


def pin_change(engine: Engine, by: By, before: PinnedChain, change: ApproverChange) -> PinnedChain:
    """Write the file with one more change, and trust it. Refuses ``stale_revision`` when the file is not ``before``.

    The change is verified first. Trust is recorded before the write, so a crash in between leaves no half-done change.
    """
    chain = chain_of(PinnedChain((*before.changes, change)).text.encode())
    if approvers_here(engine.root) != before:
        raise Refused("stale_revision", f"{APPROVERS} has changed meanwhile.", "Load the page and try again.")
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key(), chain.sha256, by, engine.clock())
    write_atomic(engine.root, APPROVERS, chain.text)
    _bring_to_bridges(engine, before, chain)
    return chain


def _bring_to_bridges(engine: Engine, before: PinnedChain, chain: PinnedChain) -> None:
    """Else what waits in their folders could not be decided before the next call of an agent, which waits for just that."""
    from wfe_mcp.engine.files.worktree_folders import is_of_bridge

    with engine.store.read() as tx:
        runs = {request.run_id for request in tx.approvals.open_requests(engine.project_id)}
        folders = {Path(loaded.record.worktree) for run in runs if (loaded := tx.runs.load(run)) is not None}
    for folder in folders - {engine.root}:
        with suppress(Refused):  # a file that cannot be read is replaced with the next call
            if is_of_bridge(engine, folder) and approvers_here(folder) == before:
                write_atomic(folder, APPROVERS, chain.text)


def pin_person(engine: Engine, by: Person, key: ApproverKey, do: Literal["add", "remove"] = "add") -> PinnedChain:
    """Add or remove ``key`` with the signature of the person's own key; the first key needs none.

    Refuses ``needs_human`` where other keys are pinned and theirs is not.
    """
    raw = approvers_here(engine.root)
    before = pinned_here(engine, engine.root, needs_passkey=False) if raw.changes else raw
    at = engine.clock().isoformat(timespec="seconds")
    if not before.changes and do == "add":
        return pin_change(engine, by, before, ApproverChange(do="add", key=key, at=at))
    if by.key not in before.keys:
        raise Refused(
            "needs_human",
            f"Your key {by.key[:16]} is not pinned in this project, so it cannot change the pinned keys.",
            "Ask one whose key is pinned; a passkey signs at the server, where its owner logs in: wfe-mcp approvers list",
        )
    signature = by.sign_text(signed_text(change_statement(before, do, key, at)))
    return pin_change(engine, by, before, ApproverChange(do=do, key=key, at=at, signed_by=by.key, signature=signature))


def by_passkey(key: ApproverKey) -> By:
    """The actor who decides with ``key``, by its pinned name."""
    return By(key.name, Channel.PASSKEY, Assurance.PASSKEY)


def owner_of(by: By, pinned: PinnedChain) -> str:
    """The person who decides as ``by``, by the names of ``pinned``; empty where that is no one."""
    key = pinned.keys.get(by.key) if isinstance(by, Person) else None
    return "" if key is None else person_named(key.name)


def person_named(name: str) -> str:
    """The name of a key as people are compared: case, width, invisible characters and space around words do not count."""
    shown = "".join(letter for letter in normalize("NFKC", name) if category(letter) != "Cf")
    return " ".join(shown.casefold().split())


def request_key(engine: Engine, by: By, key: ApproverKey) -> None:
    """Ask to have ``key`` pinned; an earlier request of the same person is replaced."""
    with engine.store.tx() as tx:
        for row, value in tx.secrets.with_prefix(_requests(engine)).items():
            if ApproverKey.model_validate_json(value).name == key.name:
                tx.secrets.set(row, None, by, engine.clock())
        tx.secrets.set(_requests(engine) + key.id, key.model_dump_json(exclude_none=True), by, engine.clock())


def requested_keys(engine: Engine) -> dict[str, ApproverKey]:
    """What waits to be pinned in the project of ``engine``, by the id of the key."""
    with engine.store.read() as tx:
        keys = [ApproverKey.model_validate_json(text) for text in tx.secrets.with_prefix(_requests(engine)).values()]
    return {key.id: key for key in sorted(keys, key=lambda key: key.name)}


def drop_request(engine: Engine, by: By, key: ApproverKey) -> None:
    """The key is pinned, or is not wanted."""
    with engine.store.tx() as tx:
        if tx.secrets.get(_requests(engine) + key.id) is not None:
            tx.secrets.set(_requests(engine) + key.id, None, by, engine.clock())


def _requests(engine: Engine) -> str:
    """Where they wait: ``<this><key id>``, JSON of the key with the name of the person who was logged in."""
    return f"key-request:{engine.project_id}:"


def _plain(change: ApproverChange) -> dict[str, Any]:
    return change.model_dump(exclude_none=True)
