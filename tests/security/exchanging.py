"""An attacker with a shell who exchanges rows of the database while a person looks, and puts them back."""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, approval, command, phase
from tests.store.scene import raw, unguarded
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases.attach import attach
from wfe_mcp.store import Store
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.views.approvals.model import shown_sha256
from wfe_mcp.views.approvals.request import decision_view
from wfe_mcp.views.approvals.shown import SeenDecision, open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.files.given_files import FileToAttach
from wfe_mcp.workspace.system.location import project_at

GOOD_INPUTS = canonical_json({"goal": "Only what was asked for"})


@dataclass(frozen=True)
class Exchange:
    """The rows of ``table`` get other values (``change``: SQL)."""

    what: str
    table: str
    change: str
    where: str = "1"


EXCHANGES = (
    Exchange("artifact", "revision", "content = replace(content, 'EVIL', 'GOOD')"),
    Exchange("artifact", "revision", "sha256 = 'a0'", "phase = 'build'"),
    Exchange("diff base", "run", "state = replace(state, 'BASE', 'TREE')"),
    Exchange("diff base", "attempt", "state = replace(state, 'BASE', 'TREE')"),
    Exchange("evidence", "evidence", "data = replace(data, '\"exit_code\":0', '\"exit_code\":1')"),
    Exchange("evidence", "evidence", 'data = replace(data, \'"tail":"\', \'"tail":"412 passed \')'),
    Exchange("evidence", "evidence", "tree = NULL"),
    Exchange("gate results", "attempt", 'state = replace(state, \'"outcome":"pass"\', \'"outcome":"skipped"\')'),
    Exchange("inputs", "run", f"inputs_sha256 = '{sha256_hex(GOOD_INPUTS)}'"),
    Exchange("inputs", "document", "content = replace(content, 'EVIL goal', 'GOOD goal')"),
    Exchange("title", "run", "title = 'A GOOD title'"),
    Exchange("template", "run", "template = 'a_stricter_one'"),
    Exchange("template", "run", "template_version = '9.9.9'"),
    Exchange("template text", "document", "content = replace(content, 'Is it EVIL?', 'Is it GOOD?')"),
    Exchange("opinion", "opinion", "value = replace(value, 'EVIL', 'GOOD')"),
    Exchange("opinion", "opinion", "verdict = 'pass'"),
    Exchange("opinion", "opinion", "reviewer = 'bob'"),
    Exchange("attachment", "attachment", "name = 'GOOD.txt'"),
    Exchange("attachment", "attachment", "sha256 = 'a0', size_bytes = 1"),
    Exchange("attachment", "attachment", "note = 'GOOD'"),
    Exchange("comment", "attempt", "state = replace(state, 'EVIL comment', 'GOOD comment')"),
    Exchange("earlier artifact", "revision", "content = replace(content, 'EVIL', 'GOOD')", "phase = 'plan'"),
    Exchange("who approved before", "event", "actor = 'bob'", "type = 'ApprovalGiven'"),
    Exchange("cancelled runs", "run", "status = 'completed'", "status = 'cancelled'"),
)
"""What a decision shows, and the rows that it comes from. ``BASE`` and ``TREE`` stand for two trees of the run."""


@dataclass
class Swap:
    """One exchange, to be made and put back at any moment."""

    url: str
    one: Exchange
    made: list[tuple[int, dict[str, tuple[Any, Any]]]] = field(
        default_factory=list[tuple[int, dict[str, tuple[Any, Any]]]]
    )
    """Row number → column → the value before, and the one in its place."""

    def there(self) -> int:
        """Make it; the number of rows whose values differ now."""
        read = f"SELECT rowid, * FROM {self.one.table} WHERE %s ORDER BY rowid"
        with unguarded(self.url) as connection:
            found = connection.execute(read % self.one.where)
            columns = [name for name, *_ in found.description]
            before = found.fetchall()
            connection.execute(f"UPDATE {self.one.table} SET {self.one.change} WHERE {self.one.where}")
            rows = ",".join(str(row[0]) for row in before)
            after = connection.execute(read % f"rowid IN ({rows})").fetchall()
        for old, new in zip(before, after, strict=True):
            pairs = zip(columns, old, new, strict=True)
            differ = {name: (was, now) for name, was, now in pairs if was != now}
            self.made += [(old[0], differ)] if differ else []
        return len(self.made)

    def back(self) -> None:
        """Put back what still has the value it was given; a second call does nothing."""
        with unguarded(self.url) as connection:
            for rowid, values in self.made:
                for name, (was, now) in values.items():
                    statement = f"UPDATE {self.one.table} SET {name} = ? WHERE rowid = ? AND {name} IS ?"
                    connection.execute(statement, (was, rowid, now))
        self.made = []


@dataclass
class Drill:
    """A run whose second phase waits for the person, and someone who writes past its store."""

    scene: Scene
    ada: Person
    run: str
    request: str
    url: str
    trees: tuple[str, str]
    truth: str = ""
    """The sha256 of what an undisturbed look shows."""
    store: Store | None = None

    def swap(self, one: Exchange) -> Swap:
        """``one`` with the trees of this run."""
        change = one.change.replace("BASE", self.trees[0]).replace("TREE", self.trees[1])
        return Swap(self.url, replace(one, change=change))

    def changes(self, one: Exchange) -> int:
        """How many rows it would change; 0 where it changes nothing of this run."""
        with self.exchanged(one) as count:
            return count

    @contextmanager
    def exchanged(self, one: Exchange) -> Generator[int]:
        """The rows are exchanged inside the block, and put back after it."""
        swap = self.swap(one)
        try:
            yield swap.there()
        finally:
            swap.back()

    def look(self, *, checked: bool = True) -> SeenDecision:
        """What the person is shown by a new process. ``checked=False``: as if the rows were exchanged right after the check."""
        engine = self.process()
        found = overview_of(engine, self.run)
        if checked:
            view = open_approval(engine, found, "build")
        else:
            with engine.store.read() as tx:
                view = open_approval(engine, found, "build", tx)
        assert view is not None
        return SeenDecision(engine, view)

    def at_page(self) -> SeenDecision:
        """The same at a page: one process shows it, and makes it again when the form is sent."""
        engine = self.process()
        shown = decision_view(engine, self.request).shown
        sent = decision_view(engine, self.request).shown
        if shown is None or sent is None or shown_sha256(shown) != shown_sha256(sent):
            raise Refused("stale_revision", "What this page shows has changed since you opened it.")
        return SeenDecision(engine, sent)

    def process(self) -> Engine:
        """A new process of the project: nothing is in its caches."""
        self.close()
        self.store = Store.open(self.url, clock=self.scene.clock, durable=False)
        where, environment = project_at(self.scene.root), self.scene.environment
        return create_engine(where, environment=environment, clock=self.scene.clock, store=self.store)

    def sign(self, seen: SeenDecision) -> None:
        approvals.decide(seen.engine, self.ada, self.run, "build", sha256=seen.view.sha256, approval=seen)

    def close(self) -> None:
        """Close what the last look opened."""
        if self.store is not None:
            self.store.close()

    def found(self) -> list[Discrepancy]:
        return list(verify(self.scene.engine).findings)


def waiting(scene: Scene, ada: Person) -> Drill:
    """Everything that a decision can show: a change, artifacts, evidence, an opinion, a file, an earlier decision."""
    scene.human = ada
    scene.check("ok", "print('fine')")
    schema = {"type": "object", "properties": {"goal": {"type": "string"}}}
    scene.define(
        phase("plan", approval()), phase("build", command("ok"), approval(question="Is it EVIL?")), schema=schema
    )
    cancelled = answers.start_run(scene.engine, AGENT, "drill", {"goal": "x"}).run
    assert cancelled is not None
    from wfe_mcp.engine.runs import control

    control.control(scene.engine, ada, cancelled, "cancel", reason="not this one")
    scene.clock.advance(seconds=5)
    run = answers.start_run(scene.engine, AGENT, "drill", {"goal": "EVIL goal"}, title="An EVIL title").run
    assert run is not None
    scene.do(run, "plan", {"title": "An EVIL plan"})
    approvals.decide(scene.engine, ada, run, "plan", comment="It is right.")
    scene.do(run, "build", {"title": "An EVIL build"})
    approvals.reject(scene.engine, ada, run, "build", "EVIL comment")
    scene.clock.advance(seconds=5)
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.write("notes.txt", "EVIL notes\n")
    attach(scene.engine, AGENT, run, "build", [FileToAttach("notes.txt", b"EVIL notes")], note="EVIL note")
    scene.clock.advance(seconds=5)
    scene.submit(run, "build", {"title": "Another EVIL build"})
    asked = approvals.ask(scene.engine, AGENT, run, "build")
    attempt, state = scene.attempt(run, "build"), scene.state(run)
    url = f"sqlite:///{scene.root.parent / 'wfe.db'}"
    _opinion(scene, run, attempt.sha256 or "")
    with scene.store.tx() as tx:
        tx.documents.keep_texts(GOOD_INPUTS)
    assert state.tree is not None
    assert attempt.tree is not None
    made = Drill(scene, ada, run, asked.request.id, url, (state.tree, attempt.tree))
    made.truth = made.look().sha256
    return made


def _opinion(scene: Scene, run: str, sha256: str) -> None:
    """What a reviewer said whom the agent asked: no gate relies on it, so no seal names it."""
    value = canonical_json({"verdict": "fail", "summary": "EVIL", "findings": []})
    columns = "id, project_id, run_id, phase, attempt, asked_by, reviewer, provider, model, question_sha256, "
    values = (scene.engine.project_id, run, sha256, scene.clock().isoformat(), value)
    connection = raw(f"sqlite:///{scene.root.parent / 'wfe.db'}")
    connection.execute(
        f"INSERT INTO opinion ({columns} artifact_sha256, verdict, at, value) "
        "VALUES ('op-1', ?, ?, 'build', 1, 'call', 'carol', 'p', 'm', 'q', ?, 'fail', ?, ?)",
        values,
    )
    connection.close()


@dataclass
class Outcomes:
    """What became of exchanges at random moments. ``holes``: signed, not what an undisturbed look shows, and not named."""

    refused: int = 0
    named: int = 0
    harmless: int = 0
    """Nothing was read while they were exchanged: what was signed is what an undisturbed look shows."""
    holes: list[tuple[Exchange, int, int, bool]] = field(default_factory=list[tuple[Exchange, int, int, bool]])

    @property
    def count(self) -> int:
        return self.refused + self.named + self.harmless + len(self.holes)


def played(drill: Drill, seed: int, count: int) -> Outcomes:
    """``count`` exchanges that something reads while the person looks at a terminal or a page, and signs.

    The rows are exchanged before a random transaction, and put back before a later one, or after the signature. No other can
    write inside a transaction that writes, so these are all the moments there are.
    """
    chance, found = random.Random(seed), Outcomes()
    kept = raw(":memory:")
    _copy(drill, kept, to_file=False)
    most = _moments(drill)
    while found.count - found.harmless < count:
        _copy(drill, kept, to_file=True)
        one, at_page = chance.choice(EXCHANGES), chance.random() < 0.5
        first = chance.randrange(most)
        last = chance.randrange(first + 1, most + 2)
        outcome = _play(drill, one, first, last, at_page=at_page)
        found.refused += outcome == "refused"
        found.named += outcome == "named"
        found.harmless += outcome == "harmless"
        found.holes += [(one, first, last, at_page)] if outcome == "hole" else []
    _copy(drill, kept, to_file=True)
    return found


def _copy(drill: Drill, kept: Any, *, to_file: bool) -> None:
    connection = raw(drill.url)
    if to_file:
        kept.backup(connection)
    else:
        connection.backup(kept)
    connection.close()


def _play(drill: Drill, one: Exchange, first: int, last: int, *, at_page: bool) -> str:
    swap, count = drill.swap(one), 0

    def tick() -> None:
        nonlocal count
        if count == first:
            swap.there()
        if count == last:
            swap.back()
        count += 1

    with _before_each_transaction(tick):
        try:
            seen = drill.at_page() if at_page else drill.look()
            drill.sign(seen)
        except Refused:
            return "refused"
        finally:
            swap.back()
    if drill.found():
        return "named"
    return "harmless" if seen.sha256 == drill.truth else "hole"


def _moments(drill: Drill) -> int:
    """The number of transactions of a look and a signature at a page."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    with _before_each_transaction(tick):
        drill.sign(drill.at_page())
    return count


@contextmanager
def _before_each_transaction(tick: Callable[[], None]) -> Generator[None]:
    """``tick`` is called when a transaction of this process is about to begin outside any other."""
    read, write = Store.read, Store.tx
    depth = 0

    def outermost(begin: Callable[[Store], Any]) -> Callable[[Store], Any]:
        @contextmanager
        def ticking(self: Store) -> Generator[Any]:
            nonlocal depth
            if not depth:
                tick()
            depth += 1
            try:
                with begin(self) as found:
                    yield found
            finally:
                depth -= 1

        return ticking

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "read", outermost(read))
        patch.setattr(Store, "tx", outermost(write))
        yield
