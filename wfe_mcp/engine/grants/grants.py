"""Standing grants: a person decides beforehand what the server may approve by itself.

    grant:<project>:<id>            JSON of ``Grant``       a person signs it in the settings log
    grant-used:<project>:<id>:<n>   JSON of ``GrantUse``    in the transaction of the approval that it gives

Rules:
1. A grant is about one phase of one template, as its bytes were when it was signed, with a condition, a number of uses and an end.
2. Its assurance is that of the key that signed it. It approves nothing that asks for more, for several people or for a phrase,
   and no steps: they act outside the working tree.
3. To end a grant, a person signs it again with the time of its end. What it approved stays approved.
"""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Literal, TypeVar

from msgspec import DecodeError, json

from wfe_mcp.artifacts.typed import value_of
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance, By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import UNREADABLE

GRANT, GRANT_USED = "grant", "grant-used"
"""The beginnings of the names of the rows in the settings."""
State = Literal["live", "ended", "expired", "used up"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A standing grant. ``template_sha256``: of the template's bytes; ``when``: the condition; ``ended_at``: empty while no one ended it.

    Times are ISO 8601 in UTC. ``assurance``: the name of that of the signer; ``actor`` and ``key`` say who that was.
    """

    id: str
    template: str
    template_sha256: str
    phase: str
    when: str
    uses: int
    given_at: str
    expires_at: str
    assurance: str = "human"
    actor: str = ""
    key: str = ""
    ended_at: str = ""

    @property
    def name(self) -> str:
        """Who approves where it is used."""
        return f"grant {self.id} of {self.actor}"

    def state(self, used: int, now: datetime) -> State:
        """Whether it can be used ``now``, and why not. ``used``: how often it was."""
        if self.ended_at:
            return "ended"
        if datetime.fromisoformat(self.expires_at) <= now:
            return "expired"
        return "live" if used < self.uses else "used up"


@dataclass(frozen=True, slots=True)
class GrantUse:
    """One use of a grant: which approval it gave. ``shown``: sha256 of the decision as it was then, a stored document."""

    number: int
    run: str
    phase: str
    attempt: int
    gate: int
    sha256: str
    shown: str
    at: str


Row = TypeVar("Row", Grant, GrantUse)


def give_grant(engine: Engine, by: By, draft: Grant, seen: str) -> Grant:
    """Keep ``draft``, signed. ``seen``: sha256 of what the person saw. Refuses ``needs_human`` without a person."""
    _refuse_program(by)
    with engine.store.tx() as tx:
        tx.secrets.alone("settings")  # the next number is read, then taken
        tx.settings_log.seen = seen
        kept = tx.secrets.with_prefix(_row(engine.project_id))
        grant = replace(
            draft,
            id=f"g-{len(kept) + 1}",
            assurance=by.assurance.name.lower(),
            actor=by.actor,
            key=str(getattr(by, "key", "")),
        )
        tx.secrets.set(_row(engine.project_id, grant.id), canonical_json(asdict(grant)), by, engine.clock())
    return grant


def end_grant(engine: Engine, by: By, id_: str) -> Grant:
    """End a grant now. Refuses ``needs_human`` without a person, and an unknown or ended one."""
    _refuse_program(by)
    now = engine.clock()
    with engine.store.tx() as tx:
        tx.secrets.alone("settings")
        grant = grant_to_end(tx, engine.project_id, id_)
        ended = replace(grant, ended_at=now.isoformat(timespec="seconds"))
        tx.secrets.set(_row(engine.project_id, id_), canonical_json(asdict(ended)), by, now)
    return ended


def grant_to_end(tx: Tx, project_id: str, id_: str) -> Grant:
    """The grant with this id. Refuses an unknown or ended one."""
    grant = grant_named(tx, project_id, id_)
    if grant.ended_at:
        raise Refused("conflict", f"Grant {id_} was ended at {grant.ended_at}.", "Nothing changed.")
    return grant


def grants_of(tx: Tx, project_id: str) -> list[Grant]:
    """All grants of a project, oldest first; a row that we did not write is none, and ``verify`` names it."""
    read = {name: _read(text, Grant) for name, text in tx.secrets.with_prefix(_row(project_id)).items()}
    grants = (grant for name, grant in read.items() if grant is not None and name == _row(project_id, grant.id))
    return sorted(grants, key=lambda grant: (len(grant.id), grant.id))


def grant_named(tx: Tx, project_id: str, id_: str) -> Grant:
    """The grant with this id. Refuses an unknown one."""
    grants = {grant.id: grant for grant in grants_of(tx, project_id)}
    if id_ not in grants:
        hint = nearest_hint(id_, grants, "See what there is: wfe-mcp grant list")
        raise Refused("bad_argument", f"There is no grant {id_!r} in this project.", hint)
    return grants[id_]


def uses_of(tx: Tx, project_id: str, id_: str) -> list[GrantUse]:
    """How the grant was used, first to last; a row that we did not write is no use."""
    read = (_read(text, GrantUse) for text in tx.secrets.with_prefix(_use_row(project_id, id_)).values())
    return sorted((use for use in read if use is not None), key=lambda use: use.number)


def place_fault(tx: Tx, project_id: str, grant: Grant, number: int) -> str:
    """Why use ``number`` of ``grant`` has not its place in the log of the settings; the order there holds whatever a clock said."""
    row, used = _row(project_id, grant.id), _use_row(project_id, grant.id)
    signed, *ended = (seq for seq, name in tx.settings_log.changes_of(row) if name == row)
    taken = tx.settings_log.changes_of(used)
    numbers = [use.number for use in uses_of(tx, project_id, grant.id)]
    if [name for _, name in taken] != [f"{used}{count}" for count in numbers] or numbers != [*range(1, len(taken) + 1)]:
        return f"the uses of grant {grant.id} are not counted one by one"
    at = taken[number - 1][0]
    return "" if signed < at and all(at < seq for seq in ended) else f"grant {grant.id} was not in force then"


def keep_use(tx: Tx, project_id: str, grant: Grant, use: GrantUse, by: By, at: datetime) -> None:
    """Record a use, in the transaction of its approval."""
    tx.secrets.set(f"{_use_row(project_id, grant.id)}{use.number}", canonical_json(asdict(use)), by, at)


def _read(text: str, type_: type[Row]) -> Row | None:
    try:
        row = value_of(json.decode(text), type_)
        if isinstance(row, Grant):
            row.state(0, max(datetime.now(UTC), datetime.fromisoformat(row.given_at)))  # both are times in UTC
            Assurance[row.assurance.upper()]
    except (*UNREADABLE, DecodeError):
        return None
    return row


def _row(project_id: str, id_: str = "") -> str:
    return f"{GRANT}:{project_id}:{id_}"


def _use_row(project_id: str, id_: str) -> str:
    return f"{GRANT_USED}:{project_id}:{id_}:"


def _refuse_program(by: By) -> None:
    if not by.is_human:
        raise Refused("needs_human", "Only a person gives or ends a grant.", "Ask the user: wfe-mcp grant --help")
