"""Reading the files of another tool's folder."""

from pathlib import Path

import pytest

from wfe_mcp.importers.folders import Folder, natural
from wfe_mcp.importers.imported import ImportReport


def test_the_line_of_a_value_is_named_and_of_a_missing_one_that_of_what_is_around_it(tmp_path: Path) -> None:
    text = '{"a": [\n1,\n{"b/c": 2,\n"d": {}, "e": []}],\n"f": "x, [y]"}'
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    file = Folder(tmp_path, ImportReport()).json("x.json")
    assert file is not None
    places = ("", "/a", "/a/0", "/a/1", "/a/1/b~1c", "/a/1/d", "/a/1/e", "/f", "/a/1/none/more", "/none")
    assert [file.place(each).removeprefix("x.json:") for each in places] == [
        "1",
        "1",
        "2",
        "3",
        "3",
        "4",
        "4",
        "5",
        "3",
        "1",
    ]


@pytest.mark.parametrize("text", ["}", "", '{"a" 1}', "[1,\n\n]"])
def test_what_is_no_json_is_an_error_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    report = ImportReport()
    assert Folder(tmp_path, report).json("x.json") is None
    (error,) = report.errors
    assert error.path == ("x.json:3" if "\n" in text else "x.json:1")


def test_a_file_that_is_not_there_is_none_and_a_folder_is_no_file(tmp_path: Path) -> None:
    report = ImportReport()
    (tmp_path / "below").mkdir()
    assert Folder(tmp_path, report).text("none") is None
    assert report.errors == []
    assert Folder(tmp_path, report).text("below") is None
    assert Folder(tmp_path, report).text("x" * 300) is None
    assert [each.path[:5] for each in report.errors] == ["below", "xxxxx"]


def test_names_are_sorted_by_their_numbers() -> None:
    names = ["task-10", "task-2", "task-2.1", "task-" + "9" * 30, "task"]
    assert sorted(names, key=natural) == ["task", "task-2", "task-2.1", "task-10", "task-" + "9" * 30]


def test_a_text_with_a_nul_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("a\nb\0c\n", encoding="utf-8")
    report = ImportReport()
    assert Folder(tmp_path, report).text("x.md") is None
    assert [(error.path, error.message) for error in report.errors] == [("x.md:2", "it is not UTF-8 text")]
