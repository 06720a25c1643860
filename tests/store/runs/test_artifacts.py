"""Revisions count up and stay; refused submissions and evidence stay too."""

from datetime import timedelta

import pytest

from tests.store.scene import BUILD, NOW, PLAN, add_plan, create
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.model import RunId, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.store.runs.artifacts import MAX_REFUSED_BYTES

RUN = RunId("R-1")


@pytest.fixture(autouse=True)
def run(store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)


@pytest.mark.requirement("S0-12")
def test_revisions_count_up_per_phase(store: Store) -> None:
    with store.tx() as tx:
        numbers = [add_plan(tx, RUN, "one"), add_plan(tx, RUN, "two"), add_plan(tx, RUN, "other", BUILD)]

        assert numbers == [1, 2, 1]
        assert [head.revision for head in tx.artifacts.revisions(RUN, PLAN)] == [1, 2]
        loaded = tx.runs.load(RUN)

    assert loaded is not None
    assert loaded.record.artifact_count == 3


@pytest.mark.requirement("S0-12", "S1-19")
def test_a_revision_is_read_with_its_content(store: Store) -> None:
    with store.tx() as tx:
        add_plan(tx, RUN, "eins — größer")
        found = tx.artifacts.revision(RUN, PLAN, 1)
        assert tx.artifacts.revision(RUN, PLAN, 2) is None
        (head,) = tx.artifacts.revisions(RUN, PLAN)

    assert found is not None
    assert found.content == '{"steps":[{"title":"eins — größer"}]}'
    assert found.size_bytes == len(found.content.encode()) > len(found.content)
    assert (head.sha256, head.schema_name, head.sealed_at) == (found.sha256, "plan@1", None)


def test_a_seal_keeps_its_first_time(store: Store) -> None:
    with store.tx() as tx:
        add_plan(tx, RUN)
        tx.artifacts.seal(RUN, PLAN, 1, NOW)
        tx.artifacts.seal(RUN, PLAN, 1, NOW + timedelta(days=1))
        (head,) = tx.artifacts.revisions(RUN, PLAN)

    assert head.sealed_at == NOW


@pytest.mark.parametrize("raw", ["{ not json", '"\ud800"', b"\xff\x00"])
def test_a_refused_submission_is_kept_as_it_came(store: Store, raw: str | bytes) -> None:
    error = Detail("/steps/0", "must be text", expected="text", got="\ud800")
    with store.tx() as tx:
        added = tx.artifacts.add_refused(RUN, PLAN, 1, raw, [error], NOW)
        assert tx.artifacts.refused_submissions(RUN, PLAN, 1) == [added]
        assert tx.artifacts.refused_submissions(RUN, PLAN, 2) == []

    assert added.raw == (raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass"))
    assert added.errors == [{"path": "/steps/0", "message": "must be text", "expected": "text", "got": "\ud800"}]


def test_a_huge_refused_submission_is_cut_and_says_how_long_it_was(store: Store) -> None:
    with store.tx() as tx:
        added = tx.artifacts.add_refused(RUN, PLAN, 1, "x" * (MAX_REFUSED_BYTES + 5), [], NOW)

    assert (len(added.raw), added.size_bytes) == (MAX_REFUSED_BYTES, MAX_REFUSED_BYTES + 5)


@pytest.mark.requirement("S3-12")
def test_evidence_is_found_by_run_phase_attempt_and_id(store: Store) -> None:
    def seen(name: str, phase: PhasePath, attempt: int) -> EvidenceRecord:
        return EvidenceRecord(
            name, RUN, phase, attempt, 1, Stage.AFTER, 0, "command", "ab", "t1", "h1", "log.txt", NOW, {"exit_code": 0}
        )

    one, two, three = seen("ev-1", PLAN, 1), seen("ev-2", PLAN, 2), seen("ev-3", BUILD, 1)
    with store.tx() as tx:
        for item in (one, two, three):
            tx.evidence.add(item)

        assert tx.evidence.of_run(RUN) == [one, two, three]
        assert tx.evidence.of_run(RUN, PLAN) == [one, two]
        assert tx.evidence.of_run(RUN, PLAN, 2) == [two]
