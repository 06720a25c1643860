"""Approvals by a stand-in are possible only in throwaway databases."""

from pathlib import Path

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.testing.playground import make_database, stand_in
from wfe_mcp.workspace.system.location import project_at


def engine_on(folder: Path, url: str) -> Engine:
    return create_engine(project_at(folder), environment={"WFE_DATABASE_URL": url})


def test_a_substitute_for_a_person_works_in_a_throw_away_database(tmp_path: Path):
    engine = engine_on(tmp_path, make_database(tmp_path / "demo.db"))
    try:
        by = stand_in(engine)
        with engine.store.read() as tx:
            problems = tx.settings_log.problems()
    finally:
        engine.close()

    assert (by.channel, by.assurance) == (Channel.DEMO, Assurance.HUMAN)
    assert problems == []


def test_a_substitute_for_a_person_works_in_no_other_database(tmp_path: Path):
    engine = engine_on(tmp_path, f"sqlite:///{(tmp_path / 'real.db').as_posix()}")
    try:
        with pytest.raises(Refused) as refused:
            stand_in(engine)
    finally:
        engine.close()

    assert refused.value.code == "needs_human"


def test_a_mark_that_came_later_marks_nothing(tmp_path: Path):
    engine = engine_on(tmp_path, f"sqlite:///{(tmp_path / 'real.db').as_posix()}")
    agent = By()
    try:
        with engine.store.tx() as tx:
            tx.secrets.set("pin", "the person's", agent, engine.clock())
            tx.secrets.set("demo", "made to be thrown away", agent, engine.clock())
        with pytest.raises(Refused) as refused:
            stand_in(engine)
    finally:
        engine.close()

    assert refused.value.code == "needs_human"


def test_a_database_that_exists_is_never_made_one_to_be_thrown_away(tmp_path: Path):
    engine = engine_on(tmp_path, f"sqlite:///{(tmp_path / 'real.db').as_posix()}")
    try:
        assert engine.project_id
        with pytest.raises(Refused) as refused:
            make_database(tmp_path / "real.db")
        with pytest.raises(Refused):
            stand_in(engine)
    finally:
        engine.close()

    assert refused.value.code == "conflict"
