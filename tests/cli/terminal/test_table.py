"""Tables on terminals of any width and in pipes: nothing is cut, no word is broken."""

import pytest

from tests.cli.scene import Terminal, phase, template
from wfe_mcp.cli.terminal.text import below_margin, laid_out, width_of

HEADER = ("RUN", "STATE", "TITLE")
ROWS = (
    ("gdz32a421t", "running", "Tabs in slugs become dashes, and so do line feeds and other white space"),
    ("9pxgrcf6mm", "completed", "Dots in slugs"),
)


def test_in_a_pipe_each_record_is_one_whole_line() -> None:
    lines = laid_out(HEADER, ROWS)
    assert lines[1] == f"gdz32a421t  running    {ROWS[0][2]}"
    assert len(lines) == 3


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_on_a_terminal_the_last_column_is_wrapped_between_words(width: int) -> None:
    lines = laid_out(HEADER, ROWS, width)
    assert all(len(line) <= width for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(" ".join(row) for row in (HEADER, *ROWS)).split())
    wrapped = lines[2:-1]
    assert bool(wrapped) == (width < 95), "the whole row has 94 columns"
    assert all(line.startswith(" " * 23) for line in wrapped), "below the last column"


def test_below_60_columns_each_field_has_a_line() -> None:
    assert laid_out(HEADER, ROWS[1:], 59) == ["RUN    9pxgrcf6mm", "STATE  completed", "TITLE  Dots in slugs", ""]


def test_a_last_column_without_room_makes_fields_too() -> None:
    row = ("/a/very/long/path/that/nobody/may/cut/because/it/is/to/be/pasted/somewhere", "why it is so long to read")
    assert laid_out(("FILE", "REASON"), [row], 80) == [f"FILE    {row[0]}", f"REASON  {row[1]}", ""]


def test_a_phase_of_usual_length_leaves_a_list_of_runs_in_lines_on_80_columns() -> None:
    header = ("RUN", "STATUS", "WAITS FOR", "UPDATED", "PHASE", "TITLE")
    row = ("gdz32a421t", "completed", "the agent", "17 min ago", "requirements 0/5", "Tabs in slugs become dashes")
    lines = laid_out(header, [row], 80)
    assert lines[1].startswith("gdz32a421t  completed  the agent  17 min ago  requirements 0/5  Tabs in slugs")
    assert all(len(line) <= 80 for line in lines)


def test_the_columns_that_fit_stay_and_the_others_are_below_each_row() -> None:
    header = ("JOB", "STATE", "RUN", "PHASE", "QUEUE", "POSITION")
    first = (
        "j7k2v8",
        "queued",
        "gdz32a421t",
        "build/test_on_every_supported_platform",
        "command",
        "2, about 1 min 10 s",
    )
    done = ("j7k2v9", "done", "gdz32a421t", "build/test_on_every_supported_platform", "command", "-")
    lines = laid_out(header, [first, done], 80)
    assert lines == [
        "JOB     STATE   RUN         PHASE                                   QUEUE",
        "j7k2v8  queued  gdz32a421t  build/test_on_every_supported_platform  command",
        "  POSITION 2, about 1 min 10 s",
        "j7k2v9  done    gdz32a421t  build/test_on_every_supported_platform  command",
    ]


def test_short_fields_below_a_row_share_a_line() -> None:
    header = ("PHASE", "WORKED", "AGENT", "COST", "COMMAND")
    row = ("quick_fix/" + "reproduce_" * 5, "3 min", "12 min", "$0.10", "wfe-mcp show gdz32a421t --phase reproduce")
    assert laid_out(header, [row], 80)[2:] == [
        "  COST $0.10  COMMAND wfe-mcp show gdz32a421t --phase reproduce",
    ]


def test_a_word_longer_than_the_column_is_broken_within_it() -> None:
    lines = laid_out((), [("a", f"short {'x' * 90} end")], 80)
    assert "".join(lines).count("x") == 90 and max(map(len, lines)) <= 80
    assert all(line.startswith(("a  ", "   ")) for line in lines), "the terminal would begin it in the first column"


def test_wide_characters_and_colours_do_not_shift_columns() -> None:
    assert (width_of("日本"), width_of("\x1b[32mpass\x1b[0m"), width_of("e\u0301")) == (4, 4, 1)
    first, second = laid_out((), [("日本", "x"), ("abcd", "y")])
    assert (first, second) == ("日本  x", "abcd  y")


@pytest.mark.parametrize("columns", range(1, 9))
def test_a_line_of_wide_characters_has_an_end_on_the_narrowest_terminal(columns: int) -> None:
    lines = below_margin("a 漢字 b", columns)
    assert "".join("".join(lines).split()) == "a漢字b"


def test_a_name_that_is_also_a_word_for_a_state_is_not_marked_as_one(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    cli.save(template("notes", phase("note"), phase("error")))
    started = cli("start", "notes", "--title", "problem").out
    run = cli.json("list").data["runs"][0]["run"]
    for out in (started, cli("status", run).out, cli("list").out, cli("list", "--by-phase", "--template", "notes").out):
        assert not {word for word in ("! note", "✗ error", "✗ problem") if word in out}, out
    assert "· pending" in started


def test_a_word_that_has_no_room_in_its_column_stays_whole_below_it() -> None:
    address = "/api/v1/incoming/tracker?project=p-b88cdf3e3196ed9b"
    lines = laid_out(("INCOMING", "TEMPLATE", "INPUTS", "PATH"), [("tracker", "quick_fix", "problem", address)], 70)
    assert lines[1:] == ["tracker   quick_fix  problem", f"  PATH {address}"]


def test_a_path_that_fits_below_is_not_broken() -> None:
    line = "  ! note is manual: its prompt is in .wfe/runs/cc98rd9hes/note/1/manual/prompt.md ; save it"
    assert ".wfe/runs/cc98rd9hes/note/1/manual/prompt.md" in below_margin(line, 80)[1]
