"""The commands on a PostgreSQL database: work goes its way, what is about a file refuses, and no output shows the password."""

import os

import pytest
from sqlalchemy.engine import make_url

from tests.cli.scene import PIN, Terminal

PASSWORD = "s3cret-of-the-server"


@pytest.fixture
def server(cli: Terminal, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    url = make_url(postgres_url).set(password=PASSWORD).render_as_string(hide_password=False)
    monkeypatch.setenv("WFE_DATABASE_URL", url)
    monkeypatch.setenv("XDG_DATA_HOME", str(cli.place / "data"))
    for words in (("init", "--yes"), ("trust", "note", "--yes")):
        assert cli.json(*words, pin=PIN).code == 0
    return cli


def test_a_run_is_worked_shown_and_verified(server: Terminal) -> None:
    run = server.start("note")
    server.submit_work(run, "draft", "written")
    for words in (("status", run), ("show", run), ("log", run), ("list",), ("work", "list"), ("verify", run)):
        said = server(*words)
        assert said.code == 0, (words, said.err)
    exported = server("export", run, "run.wfe.gz")
    assert exported.code == 0, exported.err

    doctor = server("doctor").out
    assert "PostgreSQL 1" in doctor
    assert "owns the schema" in doctor
    assert "pg_dump" in doctor
    assert not any(PASSWORD in f"{said.out}{said.err}" for _, said in server.typed)
    for folder, _, names in os.walk(server.place):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert PASSWORD.encode() not in file.read(), name


@pytest.mark.parametrize("words", [("backup",), ("backup", "copy.db"), ("vacuum",), ("restore", "copy.db")])
def test_what_copies_or_shrinks_a_file_is_refused_and_names_pg_dump(server: Terminal, words: tuple[str, ...]) -> None:
    (server.root / "copy.db").write_bytes(b"")
    said = server.json(*words)

    assert (said.code, said.refusal) == (1, "unavailable")
    assert "pg_dump" in said.out
    assert PASSWORD not in said.out


def test_a_word_of_an_artifact_is_found(server: Terminal) -> None:
    run = server.start("note")
    server.submit_work(run, "draft", "a marmot")

    assert [each["run"] for each in server.json("find", "marmot").data["hits"]] == [run]


def test_a_server_that_is_away_is_refused_without_the_password(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFE_DATABASE_URL", f"postgresql+psycopg://ada:{PASSWORD}@127.0.0.1:1/wfe")
    said = cli.json("status")

    assert (said.code, said.refusal) == (1, "unavailable")
    assert PASSWORD not in f"{said.out}{said.err}"
