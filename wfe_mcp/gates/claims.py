"""The ``claims`` gate: what is claimed about the work holds, shown by the tests of each claim.

Rules:
1. A claim holds when each of its tests for the stage has passed on these files and nothing contradicts it.
2. A test that could not run decides nothing: the gate is undecided, and no claim is falsified by it.
3. Without a claim the gate says so and is passed over, unless the template or the project requires one.
"""

from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.gates.judgement import Judgement, failed, passed, skipped, undecided
from wfe_mcp.gates.scene import ClaimsFound, GateScene
from wfe_mcp.workflow.model.gates import ClaimsGate

KIND = "claims"


def judge(gate: ClaimsGate, scene: GateScene) -> Judgement:
    """Test the claims of the run, and judge them."""
    return judge_found(gate, scene.claims(gate.stage or "") if scene.claims is not None else ClaimsFound(()))


def judge_found(gate: ClaimsGate, claims_found: ClaimsFound) -> Judgement:
    """Judge claims by the results of their tests."""
    stage = gate.stage or ""
    if claims_found.waits is not None:
        return claims_found.waits
    data = {
        "stage": stage,
        "claims": [
            {"claim": claim.id, "why": claim.why, "tests": dict(claim.tests), "results": [*map(dict, claim.results)]}
            for claim in claims_found.claims
        ],
    }
    of_stage = f" for stage {stage!r}" if stage else ""
    if not claims_found.claims:
        what = f"The run has no claim with a test{of_stage}."
        if gate.require or claims_found.is_needed:
            step = "add one with its tests: work(action='add', kind='claim', item={title, parent, tests})."
            return failed(KIND, what, step, data)
        return skipped(KIND, what, data)
    wrong = [claim for claim in claims_found.claims if claim.why]
    if not wrong:
        named = shorten_names([claim.id for claim in claims_found.claims], 5)
        return passed(
            KIND, f"{plural(len(claims_found.claims), 'claim')} tested{of_stage}, and all hold: {named}.", data
        )
    lines = "; ".join(f"{claim.id} {claim.title!r}: {claim.why}" for claim in wrong[:5])
    more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    what = f"{len(wrong)} of {plural(len(claims_found.claims), 'claim')} not shown{of_stage}: {lines}{more}."
    if all(claim.is_error for claim in wrong):
        return undecided(KIND, what, "ask the user to correct the test or its check, or answer the list.", data)
    return failed(KIND, what, "change the work so that the claim holds.", data)
