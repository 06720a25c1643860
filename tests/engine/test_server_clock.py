"""Machines that share a database have its server's clock: their own may be wrong, or be set while they work."""

import contextlib
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from tests.engine.scene import environment
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel import engine as kernel
from wfe_mcp.workspace.system.location import project_at

_OFF, _ABOUT = timedelta(minutes=10), timedelta(minutes=1)


class _Ahead(datetime):
    """The clock of a machine that is ten minutes ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Ahead":
        return cls.fromtimestamp((datetime.now(tz) + _OFF).timestamp(), tz)


def test_a_machine_whose_clock_is_off_has_the_time_of_the_server_of_its_database(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "datetime", _Ahead)
    variables = {**environment(tmp_path), "WFE_DATABASE_URL": postgres_url}
    with contextlib.closing(create_engine(project_at(tmp_path), environment=variables)) as engine:
        assert engine.clock() - datetime.now(UTC) > _OFF - _ABOUT, "it has not asked yet"
        assert engine.store.place.is_relative_to(tmp_path), (
            "no test on PostgreSQL leaves keys in the home of who runs it"
        )
        assert abs(engine.clock() - datetime.now(UTC)) < _ABOUT
        with contextlib.closing(create_engine(project_at(tmp_path), environment=variables)) as other:
            _ = other.store
        assert abs(engine.clock() - datetime.now(UTC)) < _ABOUT, "another engine of the process has ended"
    assert engine.clock() - datetime.now(UTC) > _OFF - _ABOUT, "its own again"


@pytest.mark.sqlite_only("it opens a file")
def test_a_file_is_used_by_the_clock_of_its_machine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "datetime", _Ahead)
    with contextlib.closing(create_engine(project_at(tmp_path), environment=environment(tmp_path))) as engine:
        _ = engine.store
        assert engine.clock() - datetime.now(UTC) > _OFF - _ABOUT
