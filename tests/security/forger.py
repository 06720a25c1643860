"""An attacker with a shell, the database file and our source code, who falsifies the log."""

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from sqlalchemy import delete, insert, update

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.store.scene import raw, tamper, unguarded
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Assurance, By, Channel, RunId
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.integrity.anchoring import anchoring_of, start_anchoring
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.store import serialization as codec
from wfe_mcp.store.integrity.record_seals import GENESIS, Link, link_hash
from wfe_mcp.store.layout.tables import ATTEMPT, RUN


def played(scene: Scene) -> str:
    """A run whose plan a person has approved, anchored as a server would; its id."""
    start_anchoring(scene.engine)
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    anchor(scene)
    assert found(scene) == []
    return run


def anchor(scene: Scene) -> None:
    """What the thread does half a second after a commit."""
    anchoring = anchoring_of(scene.engine)
    assert anchoring is not None
    assert anchoring.write()


def found(scene: Scene, run: str = "", anchors: str = "") -> list[Discrepancy]:
    return list(verify(scene.engine, run, anchors).findings)


@dataclass
class Forger:
    """Writes past the store, triggers dropped, and computes what hashes it needs."""

    url: str

    def do(self, *statements: str) -> None:
        tamper(self.url, *statements)

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with closing(raw(self.url)) as connection:
            return connection.execute(query).fetchall()

    def rewrite(self, run: str, change: str) -> None:
        """Make ``change`` and give every event of the run a fitting number and hash, the run row a fitting tail."""
        with unguarded(self.url) as connection:
            connection.execute(change)
            self._chain_again(connection, run)

    def insert(self, run: str, before: str, type_: str, payload: dict[str, Any], by: By) -> None:
        """Put an event before the last one of type ``before``."""
        quoted = canonical_json(payload).replace("'", "''")
        ((seq,),) = self.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}' AND type = '{before}'")
        with unguarded(self.url) as connection:
            connection.execute(f"UPDATE event SET seq = seq + 1000 WHERE run_id = '{run}' AND seq >= {seq}")
            connection.execute(
                "INSERT INTO event (run_id, seq, type, at, actor, channel, assurance, prev_hash, hash, payload)"
                f" SELECT run_id, {seq}, '{type_}', at, '{by.actor}', '{by.channel}', {int(by.assurance)}, hash, 'x', '{quoted}'"
                f" FROM event WHERE run_id = '{run}' AND seq = {seq + 1000}"
            )
            self._chain_again(connection, run)

    @staticmethod
    def fit(scene: Scene, run: str) -> None:
        """Make the rows of a run's state those that follow from its log."""
        with scene.store.tx() as tx:
            state = tx.events.replay(RunId(run))
            connection = tx.events._connection  # pyright: ignore[reportPrivateUsage] - no method of the store does it
            connection.execute(delete(ATTEMPT).where(ATTEMPT.c.run_id == run))
            for attempt in chain.from_iterable(state.attempts.values()):
                connection.execute(insert(ATTEMPT), [codec.attempt_row(RunId(run), state, attempt)])
            values = {name.rstrip("_"): value for name, value in codec.run_row(state).items()}
            row = {name: value for name, value in values.items() if name in RUN.c}
            connection.execute(update(RUN).where(RUN.c.id == run).values(**row))

    @staticmethod
    def _chain_again(connection: Any, run: str) -> None:
        columns = "rowid, type, at, actor, channel, assurance, payload"
        rows = connection.execute(f"SELECT {columns} FROM event WHERE run_id = ? ORDER BY seq", (run,)).fetchall()
        before, seq = GENESIS, 0
        for rowid, type_, at, actor, channel, assurance, payload in rows:
            seq += 1
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            link = Link(run, seq, type_, moment, By(actor, Channel(channel), Assurance(assurance)), payload)
            after = link_hash(before, link)
            values = (seq, before, after, rowid)
            connection.execute("UPDATE event SET seq = ?, prev_hash = ?, hash = ? WHERE rowid = ?", values)
            before = after
        connection.execute("UPDATE run SET last_seq = ?, last_hash = ? WHERE id = ?", (seq, before, run))

    def payload(self, run: str, type_: str) -> dict[str, Any]:
        (row,) = self.read(f"SELECT payload FROM event WHERE run_id = '{run}' AND type = '{type_}'")[-1:]
        return json.loads(row[0])
