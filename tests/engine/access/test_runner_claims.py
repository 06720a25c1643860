"""The token of a runner's claim opens its job while that runner holds it, and while its own token counts."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.access import runners
from wfe_mcp.engine.access.tokens import Token, create_token, revoke_token
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.workspace.system.ed25519 import new_key, public_half

LEASE_S, TOKEN_S = 30.0, 3_600.0


def runner(scene: Scene, name: str = "builder") -> tuple[Token, str]:
    """The token of a runner, and the key that it came with first."""
    token, key = create_token(scene.engine, HUMAN, name, "runner", expires_s=TOKEN_S)[0], public_half(new_key())
    runners.pin_key(scene.engine, token, key)
    return token, key


def claimed(scene: Scene, name: str, key: str) -> tuple[runners.RunnerClaim, str]:
    with scene.store.tx() as tx:
        job = tx.jobs.claim(runners.OWNER + name, ("runner",), LEASE_S, scene.clock())
        assert job is not None
        claim = runners.RunnerClaim(job.id, job.fence, name, key, scene.engine.project_id, "", "", str(scene.root))
        return claim, runners.keep_claim(tx, claim, scene.clock())


def lease_ends(scene: Scene, _claim: runners.RunnerClaim) -> None:
    scene.clock.advance(seconds=LEASE_S + 1)


def job_ends(scene: Scene, claim: runners.RunnerClaim) -> None:
    with scene.store.tx() as tx:
        assert tx.jobs.finish(claim.job, claim.fence, {})


def it_is_claimed_again(scene: Scene, claim: runners.RunnerClaim) -> None:
    """By the same runner, whose new claim has no token yet."""
    lease_ends(scene, claim)
    with scene.store.tx() as tx:
        assert tx.jobs.claim(runners.OWNER + claim.runner, ("runner",), LEASE_S, scene.clock()) is not None


def token_is_revoked(scene: Scene, claim: runners.RunnerClaim) -> None:
    revoke_token(scene.engine, HUMAN, claim.runner)


def token_expires(scene: Scene, claim: runners.RunnerClaim) -> None:
    """While its runner is still at work."""
    scene.clock.advance(seconds=TOKEN_S)
    with scene.store.tx() as tx:
        assert tx.jobs.heartbeat(claim.job, claim.fence, scene.clock() + timedelta(seconds=LEASE_S))


def another_has_its_name(scene: Scene, claim: runners.RunnerClaim) -> None:
    token_is_revoked(scene, claim)
    runner(scene, claim.runner)


@pytest.mark.parametrize(
    "end", [lease_ends, job_ends, it_is_claimed_again, token_is_revoked, token_expires, another_has_its_name]
)
def test_the_token_of_a_claim_opens_nothing_once_the_claim_is_over(
    scene: Scene, end: Callable[[Scene, runners.RunnerClaim], None]
) -> None:
    token, key = runner(scene)
    with scene.store.tx() as tx:
        tx.jobs.enqueue(NewJob("check", "runner", {}))
    claim, text = claimed(scene, token.name, key)
    with scene.store.read() as tx:
        assert runners.claim_of(scene.engine, tx, text)[0] == claim
        assert refused(runners.claim_of, scene.engine, tx, text[:-1]).code == "unauthorized"
    end(scene, claim)
    with scene.store.read() as tx:
        assert refused(runners.claim_of, scene.engine, tx, text).code == "unauthorized"


@pytest.mark.parametrize("key", ["", "A" * 42, "not a key"])
def test_a_runner_is_known_by_a_key_of_ed25519_alone(scene: Scene, key: str) -> None:
    token = create_token(scene.engine, HUMAN, "builder", "runner")[0]
    assert refused(runners.pin_key, scene.engine, token, key).code == "bad_argument"
    with scene.store.read() as tx:
        assert runners.pinned_keys(tx) == {}
