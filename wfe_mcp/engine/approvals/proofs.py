"""Signed proofs of approvals: the statement a passkey signs, and where the proof is kept.

    the page shows a request ──► statement (what is decided, with a nonce) ──► the key signs its sha256
                                     └──► .wfe/approvals/<run>/<phase path>/<attempt>-<request>.json, for git;
                                          the same document in the database, its sha256 in the event of the approval

Rules:
1. The statement is made here, from the stored request and the revision, never from what a browser sends.
2. The proof is written before the decision: after a crash in between the user is asked again. A decision
   that is refused removes it.
3. It names the files that the template wrote into the project by their sha256, so that ``verify --approvals``
   needs the repository and nothing else.
"""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals.approvers import by_passkey, pinned_here
from wfe_mcp.engine.approvals.passkeys import Assertion, Strict, signed
from wfe_mcp.engine.artifacts.revisions import outputs_of
from wfe_mcp.engine.files.tree_binding import code_tree
from wfe_mcp.engine.kernel.run_change import run_as_read

if TYPE_CHECKING:
    from collections.abc import Generator

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.approvals import RequestRecord

APPROVALS = ".wfe/approvals"
_SHA256 = Field(pattern=r"^[0-9a-f]{64}$")
_COUNT = "passkey:"
"""Followed by the key's id: the last authenticator counter, kept like a secret so that the log records each change."""


class _Template(Strict):
    name: str
    version: str
    sha256: str = _SHA256


class Statement(Strict):
    """What is signed. ``files``: what the revision wrote into the project; ``approvers``: the chain of keys then.

    ``shown``: the sha256 of what the person saw; None in statements of older versions, whose text has no such key.
    """

    format: Literal["wfe-approval/1"]
    answer: Literal["approve", "reject"]
    run: str
    phase: str
    attempt: int
    stage: str
    gate: int
    request: str
    revision: int
    sha256: str = _SHA256
    tree: str | None
    template: _Template
    files: dict[str, str]
    comment: str
    to: str
    approvers: str = _SHA256
    nonce: str
    at: str
    shown: str | None = None

    @model_serializer(mode="wrap")
    def _as_signed(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The keys that were signed: a signature of before ``shown`` is over a text without it."""
        found: dict[str, Any] = dump(self)
        if self.shown is None:
            del found["shown"]
        return found


class Proof(Strict):
    """A statement and the signature of a pinned key over it."""

    statement: Statement
    assertion: Assertion

    @property
    def text(self) -> str:
        """The one text of its file."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def file(self) -> str:
        """Its path in the project."""
        statement = self.statement
        return proof_file(statement.run, statement.phase, statement.attempt, statement.request)


@dataclass(frozen=True, slots=True)
class Given:
    """A proven decision: the actor and the proof."""

    by: By
    proof: Proof


def proof_file(run: str, phase: str, attempt: int, request: str) -> str:
    """The path of a proof, relative to the project's root."""
    return f"{APPROVALS}/{run}/{phase}/{attempt}-{request}.json"


def statement_of(
    engine: Engine,
    request: RequestRecord,
    answer: Literal["approve", "reject"],
    *,
    comment: str = "",
    to: str = "",
    shown: str | None = None,
) -> tuple[Statement, list[ApproverKey]]:
    """The statement to sign for ``answer`` to an open request, and the keys that may sign it. ``shown``: what the person sees.

    Refuses what ``pinned_here`` refuses, and ``bad_argument`` for text that cannot be stored.
    """
    pinned = pinned_here(engine, worktree_of(engine, request))
    code = code_tree(engine, request.run_id) or None
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, request.run_id)
        attempt, run = current.attempt(request.phase), current.run
        revision = tx.artifacts.revision(run.id, request.phase, attempt.revision) if attempt.revision else None
        files = {} if revision is None else outputs_of(current, request.phase, revision.content)
        made = Statement(
            format="wfe-approval/1",
            answer=answer,
            run=run.id,
            phase=request.phase,
            attempt=request.attempt,
            stage=str(request.stage),
            gate=request.gate,
            request=request.id,
            revision=attempt.revision,
            sha256=request.sha256,
            tree=request.tree or code,
            template=_Template(name=run.template, version=run.template_version, sha256=run.template_sha256),
            files={path: sha256_hex(content) for path, content in files.items()},
            comment=comment,
            to=to,
            approvers=pinned.head,
            nonce=secrets.token_urlsafe(16),
            at=engine.clock().isoformat(timespec="seconds"),
            shown=shown,
        )
    try:
        canonical_json(made.model_dump())
    except ValueError as error:
        raise Refused("bad_argument", f"This cannot be signed: {error}.", "Say it in other words.") from error
    return made, list(pinned.passkeys.values())


def prove(engine: Engine, statement: Statement, assertion: Assertion, port: int) -> Given:
    """The decision as proven. Refuses ``needs_human``: not signed by a pinned key, or by a clone of one."""
    with engine.store.read() as tx:
        request = tx.approvals.get(statement.request)
    assert request is not None, "the statement was made from it"
    pinned = pinned_here(engine, worktree_of(engine, request))
    key = pinned.passkeys.get(assertion.id)
    if key is None or pinned.head != statement.approvers:
        raise Refused(
            "needs_human",
            "This passkey is not pinned in the project, or the pinned keys have changed meanwhile.",
            "Load the page and sign with one of them.",
        )
    name = _COUNT + key.id
    with engine.store.read() as tx:
        last = int(tx.secrets.get(name) or 0)
    count = signed(assertion, statement.model_dump(), key.public_key, port=port, count=last)
    by = by_passkey(key)
    if count:
        with engine.store.tx() as tx:
            tx.secrets.set(name, str(count), by, engine.clock())
    return Given(by, Proof(statement=statement, assertion=assertion))


@contextmanager
def kept(engine: Engine, proof: Proof) -> Generator[None]:
    """Keep the proof of an approval in the project if the block succeeds; remove it if the decision is refused.

    An existing file may be the proof of a faster answer to the same request, from another tab.
    """
    from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic

    statement = proof.statement
    if statement.answer == "reject":  # a rejection is not merged: the database has it
        yield
        return
    with engine.store.read() as tx:
        root = Path(engine.load(tx, statement.run).record.worktree)
    before = read_if_there(root, proof.file)
    write_atomic(root, proof.file, proof.text)
    try:
        yield
    except BaseException:
        if read_if_there(root, proof.file) == proof.text.encode():
            if before is None:
                (root / proof.file).unlink()
            else:
                write_atomic(root, proof.file, before)
        raise


def worktree_of(engine: Engine, request: RequestRecord) -> Path:
    """The working tree of the run of ``request``: its files, keys and proofs."""
    with engine.store.read() as tx:
        return Path(engine.load(tx, request.run_id).record.worktree)
