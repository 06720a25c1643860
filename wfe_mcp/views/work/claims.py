"""Claims as views: how each test reads its check, what was found, and what was given for or against them."""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.claims import COMPARISONS, outcomes, schemas_of_tests
from wfe_mcp.core.items import Item
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.work.claims import checks_for_claims, newest_settings
from wfe_mcp.store import Tx
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.values.model import JsonObject, view_model


@view_model
class ClaimTest:
    """A test of a claim and its newest result. ``reads``: how it reads its check. ``is_outdated``: of other files than now.

    ``log``: the file with all that the check printed; ``commit``: that was checked out.
    """

    name: str
    type: str
    reads: str
    check: str = ""
    stages: tuple[str, ...] = ()
    outcome: str = "open"
    why: str = ""
    at: str = ""
    commit: str = ""
    log: str = ""
    is_outdated: bool = False


@view_model
class ClaimEvidence:
    """What was given for or against a claim. ``says``: supports, contradicts or neither; ``sha256``: of the file it names."""

    ref: str
    reason: str
    says: str
    at: str
    list: str = ""
    commit: str = ""
    sha256: str = ""


@view_model
class ClaimFacts:
    """The tests and the evidence of a claim. ``job``: the one that tests it now."""

    tests: tuple[ClaimTest, ...]
    evidence: tuple[ClaimEvidence, ...]
    job: str = ""


@view_model
class TypesOfTests:
    """Each type of test that a claim may have, as the JSON Schema of a form, with the checks and gold sets of the project."""

    types: JsonObject


def types_of_tests(engine: Engine) -> Envelope:
    """What a form asks for where a test is added to a claim."""
    with engine.store.read() as tx:
        settings = newest_settings(engine, tx)
    types = schemas_of_tests(checks_for_claims(settings), settings.claims.gold_sets)
    return Envelope(True, summary=plural(len(types), "type") + " of tests", view=TypesOfTests(types=types))


def claim_view(engine: Engine, tx: Tx, claim: Item) -> ClaimFacts:
    """The tests of ``claim`` with their newest results, and its evidence."""
    from wfe_mcp.engine.evaluation.claim_tests import open_job, outdated_tests

    results, old = outcomes(claim.tests, claim.results, claim.evidence), outdated_tests(engine, tx, claim)
    tests = tuple(_test(test, results.get(test["name"], {}), is_outdated=test["name"] in old) for test in claim.tests)
    job = open_job(engine, tx, claim.id)
    return ClaimFacts(tests=tests, evidence=tuple(map(_evidence, claim.evidence)), job=job.id if job else "")


def _test(test: Mapping[str, Any], result: Mapping[str, Any], *, is_outdated: bool) -> ClaimTest:
    return ClaimTest(
        name=test["name"],
        type=test["type"],
        reads=reads(test),
        check=test.get("check", ""),
        stages=tuple(test.get("stages", ())),
        outcome=result.get("outcome", "open"),
        why=result.get("why", ""),
        at=result.get("at", ""),
        commit=result.get("head") or "",
        log=result.get("log", ""),
        is_outdated=is_outdated,
    )


def _evidence(entry: Mapping[str, Any]) -> ClaimEvidence:
    says = {True: "supports", False: "contradicts"}.get(entry.get("supports", ""), "neither")
    return ClaimEvidence(
        ref=entry.get("ref", ""),
        reason=entry.get("reason", ""),
        says=says,
        at=entry["at"],
        list=entry.get("test", ""),
        commit=entry.get("head") or "",
        sha256=entry.get("sha256", ""),
    )


def reads(test: Mapping[str, Any]) -> str:
    """How a test reads the result of its check, in a line."""
    wanted = f"{COMPARISONS[test['comparison']]} {test['threshold']:g}" if "threshold" in test else ""
    match test["type"]:
        case "unit_test":
            named = ", ".join(test.get("tests", ()))
            return f"the tests pass: {named}" if named else "at least one test runs, and all pass"
        case "benchmark":
            where = test.get("file") or "its output"
            return f"{test.get('regex') or test.get('pointer')} in {where} is {wanted}"
        case "metric_threshold":
            return f"{test['metric']} is {wanted}"
        case "gold_set":
            return f"{test['metric']} of {test['output']} against gold set {test['gold_set']} is {wanted}"
        case "manual":
            return f"a person approves: {'; '.join(test['checklist'])}"
        case _:
            return "it exits with 0"
