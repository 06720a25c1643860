"""``wfe-mcp find``: full-text search in this project or in all of the user's."""

import pytest

from tests.cli.scene import Terminal


def no(_: object) -> bool:
    return False


def submitted(cli: Terminal, run: str, text: str) -> None:
    cli.root.joinpath("draft.json").write_text(f'{{"text": "{text}"}}', encoding="utf-8")
    assert cli("submit", run, "draft", "--path", "draft.json").code == 0


def test_a_hit_is_shown_with_the_command_that_opens_it(cli: Terminal) -> None:
    run = cli.start("note", "--title", "Thanks")
    submitted(cli, run, "Thank you for parse_config in src/app.py.")
    answer = cli("find", "parse_config app.py")
    [hit] = cli.json("find", "parse_config app.py").data["hits"]

    assert answer.code == 0
    assert "Thank you for parse_config in src/app.py." in answer.out
    assert answer.out.startswith("1 result for 'parse_config app.py'\n")
    assert "Thank you" in cli(*hit["open"].split()[1:]).out


@pytest.mark.parametrize(("query", "kind", "word"), [("thanks", "run", "show"), ("yes", "event", "log")], ids=str)
def test_runs_and_events_are_opened_too(cli: Terminal, query: str, kind: str, word: str) -> None:
    run = cli.start("note", "--title", "Thanks")
    cli("pause", run, "--reason", "yes, for today")
    [hit] = cli.json("find", query, "--kind", kind).data["hits"]
    opened = cli(*hit["open"].split()[1:])

    assert hit["open"].split()[1] == word
    assert opened.code == 0
    assert query in opened.out.lower()


def test_a_run_that_is_found_by_its_title_says_the_title_once_and_an_event_is_named_in_words(cli: Terminal) -> None:
    run = cli.start("note", "--title", "Thanks")
    cli("pause", run, "--reason", "yes, for today")

    assert cli("find", "thanks").out.count("Thanks") == 1
    [hit] = cli.json("find", "today", "--kind", "event").data["hits"]
    assert hit["title"].startswith("run paused, event ")


def test_a_run_is_found_by_its_id_and_by_the_beginning_of_it(cli: Terminal) -> None:
    run = cli.start("note", "--title", "Thanks")

    for words in (run, run[:4], run.upper()):
        [hit] = cli.json("find", words).data["hits"]
        assert (hit["run"], hit["kind"], hit["title"]) == (run, "run", "Thanks")


def test_pages_follow_each_other_and_a_limit_holds(cli: Terminal) -> None:
    runs = [cli.start("note", "--title", f"Shared {number}") for number in range(5)]
    first = cli.json("find", "shared", "--limit", "2").data
    rest = cli.json("find", "shared", "--limit", "1000", "--cursor", first["cursor"]).data

    assert [hit["run"] for hit in first["hits"] + rest["hits"]] == runs[::-1]
    assert "cursor" not in rest
    filters = ("--kind", "run", "--limit", "2")
    again = cli("find", "shared", *filters).err.removeprefix("Next: wfe-mcp ").split()
    assert again == ["find", "shared", *filters, "--cursor", cli.json("find", "shared", *filters).data["cursor"]]
    assert [f"Shared {number}" in cli(*again).out for number in range(5)] == [False, True, True, False, False]


def test_other_projects_are_found_only_when_asked_for(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cli.start("note", "--title", "Elsewhere")
    other = cli.root.parent / "other"
    other.mkdir()
    monkeypatch.chdir(other)

    assert cli.json("find", "elsewhere").data["hits"] == []
    [hit] = cli.json("find", "elsewhere", "--all").data["hits"]
    assert (hit["run"], hit["project"]) == (run, str(cli.root))
    assert len(cli.json("find", "elsewhere", "--all", "--run", run).data["hits"]) == 1
    assert cli.json("find", "elsewhere", "--run", run).document["error"]["code"] == "unknown_run"


def test_a_work_item_is_found_and_shown_with_its_id(cli: Terminal) -> None:
    cli("work", "add", "Thank Ada", "--body", "For the tide tables")

    found = cli("find", "tide", "--kind", "work_item").out
    assert found.splitlines()[1].startswith("W-1  "), "in the place of a run"
    assert "W-1 Thank Ada" in found
    assert "wfe-mcp work show W-1" in str(cli.json("find", "tide").data)


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        (["***"], "bad_argument", "no word"),
        (["x", "--kind", "artefact"], "bad_argument", "Did you mean 'artifact'?"),
        (["x", "--kind", "zzz"], "bad_argument", "One of"),
        (["x", "--cursor", "run-1"], "bad_argument", "no cursor"),
        (["x" * 1_500], "too_large", "1,000"),
    ],
    ids=str,
)
def test_what_cannot_be_looked_for_is_refused_in_words(cli: Terminal, words: list[str], code: str, answer: str) -> None:
    refused = cli.json("find", *words)

    assert (refused.code, refused.document["error"]["code"]) == (1, code)
    assert answer in str(refused.document["error"])


def test_a_limit_out_of_bounds_is_misuse(cli: Terminal) -> None:
    assert cli("find", "x", "--limit", "1001").code == 2


def test_an_archived_run_is_found_and_says_so(cli: Terminal) -> None:
    run = cli.start("note", "--title", "Put away")
    submitted(cli, run, "Thank you.")
    assert cli("archive", run).code == 0

    shown = cli("find", "away").out
    assert run in shown and shown.rstrip().endswith("  Put away (archived)")


def test_doctor_says_whether_everything_can_be_found(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed_runs() -> str:
        return next(each["message"] for each in cli.json("doctor").data["findings"] if each["topic"] == "find")

    cli.start("note")
    assert listed_runs() == "every run is indexed"
    monkeypatch.setattr("wfe_mcp.store.sqlite.has_fts5", no)
    assert "wfe-mcp[sqlite]" in listed_runs()
    assert cli.json("find", "anything").document["error"]["code"] == "unavailable"
