"""The ``claims`` gate: what is claimed about the work holds, shown by the tests of each claim.

Rules:
1. A claim holds when each of its tests for the stage has passed on these files and nothing contradicts it.
2. A test that could not run decides nothing: the gate is undecided, and no claim is falsified by it.
3. Without a claim the gate says so and is passed over, unless the template or the project requires one.
"""

from wfe_mcp.core.units import plural
from wfe_mcp.gates.judgement import Judgement, failed, passed, shortened, skipped, undecided
from wfe_mcp.gates.scene import ClaimsFound, GateScene
from wfe_mcp.workflow.model import ClaimsGate

KIND = "claims"


def judge(gate: ClaimsGate, scene: GateScene) -> Judgement:
    """Test the claims of the run, and judge them."""
    stage = gate.stage or ""
    found = scene.claims(stage) if scene.claims is not None else ClaimsFound(())
    if found.waits is not None:
        return found.waits
    data = {
        "stage": stage,
        "claims": [
            {"claim": each.id, "why": each.why, "tests": dict(each.tests), "results": [*map(dict, each.results)]}
            for each in found.claims
        ],
    }
    of_stage = f" for stage {stage!r}" if stage else ""
    if not found.claims:
        what = f"The run has no claim with a test{of_stage}."
        if gate.require or found.is_needed:
            step = "add one with its tests: work(action='add', kind='claim', item={title, parent, tests})."
            return failed(KIND, what, step, data)
        return skipped(KIND, what, data)
    wrong = [each for each in found.claims if each.why]
    if not wrong:
        named = shortened([each.id for each in found.claims], 5)
        return passed(KIND, f"{plural(len(found.claims), 'claim')} tested{of_stage}, and all hold: {named}.", data)
    lines = "; ".join(f"{each.id} {each.title!r}: {each.why}" for each in wrong[:5])
    more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    what = f"{len(wrong)} of {plural(len(found.claims), 'claim')} not shown{of_stage}: {lines}{more}."
    if all(each.is_error for each in wrong):
        return undecided(KIND, what, "ask the user to correct the test or its check, or answer the list.", data)
    return failed(KIND, what, "change the work so that the claim holds, then submit again.", data)
