"""Tests of claims: as a job of their own, and for the gate ``claims`` of a run.

    work(change, active), claim test, the page ──► a job ──► each check runs ──► all results in one transaction
    a gate ``claims`` ──► the tests without a result about these files ──► the same

Rules:
1. A result is about the tree before its check ran, that check as it was then, the level of evidence and the bytes of the gold
   set. Where one of them is another now it is outdated, and the gate runs the test again.
2. Nothing is kept of a job that dies half-way: another worker runs all of its tests again.
3. A falsified claim is tested again only after it was taken up again. The run whose work is its last open follow-up, or that
   works the item which the claim is about, takes it up itself once the files have changed.
4. Tests take long: what anyone does to a claim meanwhile is read again before a result is kept or the claim is judged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import sha256_hex, sha256_of
from wfe_mcp.core.claims import of_stage, outcomes
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evidence_levels import Level
from wfe_mcp.core.items import Item, ItemKind, ItemStatus
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.templates.trust import least_evidence
from wfe_mcp.engine.work.claims import again, checks_for_claims, is_contradicted, values_with_results
from wfe_mcp.engine.work.items import item_of_run, items_of, keep_changes
from wfe_mcp.gates.check import written_by
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement, needs_trust
from wfe_mcp.gates.measures import MOST_BYTES, expected_of, measure
from wfe_mcp.gates.scene import ClaimsFound, FoundClaim
from wfe_mcp.jobs.child import RunChild, run_child
from wfe_mcp.jobs.job_context import JobContext, Outcome
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob, tree_key
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.ports import with_ports
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.files.mirror import CLAIMS, evidence_folder
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.git.working_tree import SeenFiles

JOB = "claim"
_TRIES = 3
_UNTRUSTED = "The project's configuration is not trusted as it is, so the tests of claim"
_LOOKS = "looks at it and runs: wfe-mcp trust"


def enqueue_test(engine: Engine, name: str) -> tuple[Item, JobRecord]:
    """Put the tests of a claim into the queue; the job that does it already, where there is one.

    Refuses what is no claim, is falsified or closed, and a claim that no check tests.
    """
    with engine.store.tx() as tx:
        item = tx.items.get(engine.project_id, name)
        _refuse_untestable(item, engine.settings(tx))
        job = open_job(engine, tx, item.id)
        if job is None:
            queue, payload = queue_name("command", engine.project_id), _payload(engine, item.id)
            new = NewJob(JOB, queue, payload, max_attempts=_TRIES, limit_key=tree_key(str(engine.root)))
            job = tx.jobs.get(tx.jobs.enqueue(new))
            tx.after_commit(engine.wake)
    assert job is not None, "it was stored in this transaction"
    return item, job


def open_job(engine: Engine, tx: Tx, name: str) -> JobRecord | None:
    """The job that tests a claim on the files of this project, or will."""
    is_open, queue = (JobStatus.QUEUED, JobStatus.RUNNING), queue_name("command", engine.project_id)
    wanted = (JOB, _payload(engine, name))
    return next(
        (job for job in tx.jobs.filter(statuses=is_open, queues=[queue]) if (job.kind, job.payload) == wanted), None
    )


def _payload(engine: Engine, name: str) -> dict[str, Any]:
    return {"item": name, "root": str(engine.root)}


def _refuse_untestable(item: Item, settings: LoadedSettings) -> None:
    if item.kind is not ItemKind.CLAIM:
        raise Refused("bad_argument", f"{item.id} is a {item.kind}, no claim.", "Find claims: wfe-mcp claim list")
    if item.status is ItemStatus.FALSIFIED:
        raise Refused(
            "illegal_transition",
            f"{item.id} was falsified: {item.reason}",
            f"Take it up again once its follow-ups are done: wfe-mcp claim retry {item.id}",
        )
    if item.status is ItemStatus.DEPRECATED:
        raise Refused("illegal_transition", f"{item.id} is deprecated.", "Add another claim: wfe-mcp claim add TITLE")
    if not any("check" in test for test in item.tests):
        asked = f"--list {item.tests[0]['name']} " if item.tests else ""
        raise Refused(
            "illegal_transition",
            f"No check tests {item.id}: a person says whether it holds.",
            f"The user does in a terminal of their own: wfe-mcp claim evidence {item.id} {asked}--supports --reason TEXT",
        )
    if settings.untrusted:
        raise Refused("needs_trust", f"{_UNTRUSTED} {item.id} wait for a person.", f"The user {_LOOKS}")


def work_claim(engine: Engine, context: JobContext) -> Outcome:
    """The handler of tests of a claim."""
    name, root = str(context.job.payload["item"]), Path(context.job.payload["root"])
    with engine.store.read() as tx:
        claim = tx.items.get(engine.project_id, name)
        settings = engine.settings(tx)
    _refuse_untestable(claim, settings)
    folder = evidence_folder(root, CLAIMS, claim.id, 1)
    level = least_evidence(engine, settings)
    results = _Scene(engine, root, folder, context.run_child, settings, level, {}).results(claim.tests)
    ended = {result["test"]: result["outcome"] for result in results}
    return Outcome({"claim": claim.id, "tests": ended}, lambda tx: keep(engine, tx, name, results))


def outdated_tests(engine: Engine, tx: Tx, claim: Item) -> set[str]:
    """The tests of a claim whose results are about other files, or another check, than those of the project now."""
    settings = engine.settings(tx)
    level = least_evidence(engine, settings, tx)
    return _Scene(engine, engine.root, engine.root, run_child, settings, level, {}).outdated_tests(claim)


def claims_found(
    engine: Engine, run: RunRecord, frozen: Mapping[str, Any], child: RunChild, folder: Path, stage: str
) -> ClaimsFound:
    """The claims of a run for ``stage``, after those of their tests that have no result about its files."""
    with engine.store.read() as tx:
        settings = engine.settings(tx)
        above, claims = _claims_of(engine, tx, run, stage)
    is_needed = _is_needed(settings)
    if claims and settings.untrusted:
        name = claims[0].id
        what, todo = f"{_UNTRUSTED} {name} wait for a person.", "ask the user to look at it and run: wfe-mcp trust"
        return ClaimsFound((), is_needed, needs_trust("claims", what, todo, {"claim": name}))
    level, checks = least_evidence(engine, settings), frozen.get("checks", {})
    scene = _Scene(engine, Path(run.worktree), folder, child, settings, level, checks)
    judged = [scene.judge_claim(claim, stage, above) for claim in claims]
    return ClaimsFound([claim for claim in judged if claim is not None], is_needed)


def without_claims(engine: Engine, tx: Tx, run: RunRecord, stage: str) -> ClaimsFound | None:
    """What there is for a run without a claim for ``stage``; None where it has one, which a job tests."""
    return None if _claims_of(engine, tx, run, stage)[1] else ClaimsFound((), _is_needed(engine.settings(tx)))


def _claims_of(engine: Engine, tx: Tx, run: RunRecord, stage: str) -> tuple[str, list[Item]]:
    """The item of the run, empty without one, and the claims that its gate tests for ``stage``."""
    worked = item_of_run(tx, run)
    above = worked.id if worked is not None else ""
    claims: list[Item] = []
    for item in items_of(tx, engine.project_id, (ItemKind.CLAIM,)):
        is_last = (
            item.status is ItemStatus.FALSIFIED
            and above in item.needs
            and not _open_follow_ups(engine, tx, item, above)
        )
        is_open = item.status is not ItemStatus.DEPRECATED and bool(of_stage(item.tests, stage))
        if is_open and (item.parent == above or is_last):
            claims.append(item)
    return above, claims


def _is_needed(settings: LoadedSettings) -> bool:
    return any(values.claims.require for values in (settings.settings, settings.pending) if values is not None)


def _open_follow_ups(engine: Engine, tx: Tx, claim: Item, above: str) -> list[str]:
    """The open follow-ups of a claim besides the item ``above``."""
    needed = tx.items.by_ids(engine.project_id, claim.needs)
    return [item.id for item in needed if not item.is_over and item.id != above]


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where the tests of a claim run. ``level``: the evidence that is asked for. ``frozen``: the checks of the run, which win
    over those of the configuration.
    """

    engine: Engine
    root: Path
    folder: Path
    child: RunChild
    settings: LoadedSettings
    level: Level | None
    frozen: Mapping[str, Any]

    def check(self, name: str) -> FrozenCheck | None:
        """The check that a test names, if it may."""
        entry = checks_for_claims(self.settings.settings).get(name)
        if entry is None:
            return None
        return FrozenCheck.model_validate(self.frozen[name]) if name in self.frozen else entry.frozen(name)

    def results(self, tests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The results of the tests that checks do. Those that expect the same of a check are read from one run of it."""
        same: dict[str, list[Mapping[str, Any]]] = {}
        for test in tests:
            if "check" in test:
                same.setdefault(f"{test['check']} {expected_of(test)}", []).append(test)
        return [result for group in same.values() for result in self._results(group)]

    def _results(self, tests: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        name = str(tests[0]["check"])
        check, setups = self.check(name), [self.setup(test) for test in tests]
        if check is None:
            why = f"no check {name!r} is configured for claims"
            yield from ({"test": test["name"], "outcome": "error", "why": why} for test in tests)
            return

        def run(expect: Mapping[str, object], child: RunChild) -> Judgement:
            return run_check(
                check,
                name=name,
                root=self.root,
                evidence_dir=self.folder,
                expect=expect,
                environ=with_ports(self.engine.environment, self.root, self.settings.settings.worktrees.ports),
                run=child,
                level=self.level,
                makes=self.settings.settings.sandbox,
            )

        gold_sets = self.settings.settings.claims.gold_sets
        results = measure(tests, run, self.child, self.root, check.cwd, gold_sets)
        at = self.engine.clock().isoformat(timespec="seconds")
        for test, setup, result in zip(tests, setups, results, strict=True):
            facts = {key: value for key, value in result.items() if value not in ("", None)}
            yield {"test": test["name"], "at": at, "setup": setup, **facts}

    def setup(self, test: Mapping[str, Any]) -> str | None:
        """The sha256 of all besides the project's files that a result is about; None: no check does the test."""
        check = self.check(str(test.get("check", "")))
        if check is None:
            return None
        gold, known = self.settings.settings.claims.gold_sets.get(test.get("gold_set", "")), None
        with suppress(Refused):  # it cannot be read: the test says so
            known = gold and read_if_there(self.root, gold.path, MOST_BYTES)
        answers = gold and [gold.path, gold.key, gold.value, known and sha256_hex(known)]
        return sha256_of({"check": check.model_dump(mode="json"), "level": self.level, "gold_set": answers})

    def outdated_tests(self, claim: Item) -> set[str]:
        """The tests whose results are about other files, another check or another gold set than those that are there now."""
        values_by_test = outcomes(claim.tests, claim.results, claim.evidence)
        if not values_by_test:
            return set()
        files = SeenFiles(self.root)
        checks = {test["name"]: self.check(str(test.get("check", ""))) for test in claim.tests}
        trees = {name: files.tree(written_by(check) if check else ()).id for name, check in checks.items()}
        setups = {test["name"]: self.setup(test) for test in claim.tests}
        return {
            name
            for name, values in values_by_test.items()
            if (values.get("tree"), values.get("setup")) != (trees.get(name), setups.get(name))
        }

    def judge_claim(self, claim: Item, stage: str, above: str) -> FoundClaim | None:
        """The claim after its tests for ``stage``; None where it was ended meanwhile. ``above``: the item of the run."""
        old = self.outdated_tests(claim)
        with self.engine.store.tx() as tx:
            seen, claim = claim, tx.items.get(self.engine.project_id, claim.id)
            if claim.status is ItemStatus.FALSIFIED:
                left = _open_follow_ups(self.engine, tx, claim, above)
                failed = {result["test"] for result in claim.results if result["outcome"] == "failed"}
                # ``old`` says nothing about results that another process has kept since.
                if left or is_contradicted(claim) or claim.results != seen.results or not failed & old:
                    open_ = f"; its follow-ups are open: {', '.join(left)}" if left else ""
                    return FoundClaim(claim.id, claim.title, f"falsified: {claim.reason}{open_}", False, {})
                claim = keep_changes(self.engine, tx, claim, again(), SYSTEM)
        if claim.results != seen.results:
            old = self.outdated_tests(claim)
        # Without git no result is known to be about these files: the gate runs its test again.
        known = {
            result["test"] for result in claim.results if result["outcome"] != "error" and result.get("tree")
        } - old
        tests = of_stage(claim.tests, stage)
        results = self.results(test for test in tests if test["name"] not in known)
        with self.engine.store.tx() as tx:
            item = keep(self.engine, tx, claim.id, results) if results else None
            claim = item or tx.items.get(self.engine.project_id, claim.id)
        if claim.status is ItemStatus.DEPRECATED:
            return None
        values_by_test = outcomes(claim.tests, claim.results, claim.evidence)
        fresh = {
            name: values
            for name, values in values_by_test.items()
            if name not in old or any(name == r["test"] for r in results)
        }
        shown = {
            test["name"]: str(fresh[test["name"]]["outcome"]) if test["name"] in fresh else "open" for test in tests
        }
        about = [values for name, values in fresh.items() if name in shown]
        if claim.status is ItemStatus.FALSIFIED:
            return FoundClaim(claim.id, claim.title, f"falsified: {claim.reason}", False, shown, about)
        why = "; ".join(
            f"{name} is open: a person answers it"
            if outcome == "open"
            else f"{name} could not run: {fresh[name]['why']}"
            for name, outcome in shown.items()
            if outcome != "passed"
        )
        return FoundClaim(claim.id, claim.title, why, bool(why), shown, about)


def keep(engine: Engine, tx: Tx, name: str, results: Sequence[Mapping[str, Any]]) -> Item:
    """The claim with these results, kept."""
    claim = tx.items.get(engine.project_id, name)
    return keep_changes(engine, tx, claim, values_with_results(claim, results), SYSTEM)
