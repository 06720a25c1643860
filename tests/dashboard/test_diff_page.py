"""The change on the decision page: kinds of files, colours, side by side, and a large one."""

import re

import pytest

from tests.dashboard.browser import Answer, Browser, asked
from tests.engine.scene import Scene, approval, command, phase

LARGE = "".join(f"line {number}\n" for number in range(900))


def changed_files(scene: Scene) -> None:
    scene.write("kept.py", "def one():\n    return 'new'  # <b>\n")
    (scene.root / "old_name.py").rename(scene.root / "new_name.py")
    (scene.root / "gone.txt").unlink()
    scene.write("fresh.js", "const a = 1;\n")
    (scene.root / "picture.bin").write_bytes(b"\0\2" * 40)
    scene.write("large.txt", LARGE)
    scene.write("notes.unknown-language", "plain & simple\n")


def request_about_files(scene: Scene) -> str:
    """A request about a change of every kind, in a project with git."""
    scene.git("init", "-q")
    scene.check("ok", "print('fine')")
    scene.write("kept.py", "def one():\n    return 'old'\n")
    scene.write("old_name.py", "".join(f"value_{number} = {number}\n" for number in range(9)))
    scene.write("gone.txt", "bye\n")
    (scene.root / "picture.bin").write_bytes(b"\0\1" * 40)
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    changed_files(scene)
    scene.submit(run, "plan")
    scene.work()
    return asked(scene, run)


@pytest.fixture
def request_id(scene: Scene) -> str:
    return request_about_files(scene)


def file(answer: Answer, name: str) -> str:
    """The HTML of one file of the change."""
    return next(part for part in answer.text.split("<details") if f'class="path">{name}<' in part)


@pytest.mark.requirement("E-04")
def test_each_kind_of_file_says_what_it_is(request_id: str, browser: Browser) -> None:
    page = browser.get(f"/decide/{request_id}")
    marks = {
        "fresh.js": "new file",
        "gone.txt": "deleted",
        "old_name.py → new_name.py": "renamed",
        "picture.bin": "binary",
    }
    assert all(mark in file(page, name) for name, mark in marks.items())
    assert "<tr" not in file(page, "picture.bin")


def test_code_is_coloured_and_nothing_in_it_is_active(request_id: str, browser: Browser) -> None:
    page = browser.get(f"/decide/{request_id}")
    assert '<span class="syn-k">def</span>' in file(page, "kept.py")
    assert "# &lt;b&gt;</span>" in file(page, "kept.py")
    assert "syn-" not in file(page, "notes.unknown-language")
    assert "plain &amp; simple" in file(page, "notes.unknown-language")
    assert "script-src" not in page.headers["content-security-policy"]


def test_old_and_new_lines_stand_side_by_side_without_a_script(request_id: str, browser: Browser) -> None:
    one = browser.get(f"/decide/{request_id}")
    assert f'href="/decide/{request_id}?split=1#change"' in one.text
    two = browser.get(f"/decide/{request_id}?split=1")
    assert f'href="/decide/{request_id}#change"' in two.text
    (row,) = [each for each in file(two, "kept.py").split("<tr") if ">old<" in each]
    assert ">new<" in row
    assert 'class="n none"' in file(two, "fresh.js")
    assert [two.words.count(word) for word in ("value_1", "bye")] == [
        one.words.count(word) for word in ("value_1", "bye")
    ]


def test_a_large_file_is_cut_with_a_way_to_see_all(request_id: str, browser: Browser) -> None:
    for query in ("", "?split=1"):
        shown = file(browser.get(f"/decide/{request_id}{query}"), "large.txt")
        assert "500 more lines" in shown
        assert ("line 399<" in shown, "line 400<" in shown) == (True, False)
        assert "open" not in shown.partition(">")[0]
    where = shown.partition('class="note">')[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    whole = browser.get(where).text
    assert (whole.count("\n+line"), "kept.py" in whole) == (900, False)


def test_of_a_file_that_is_rewritten_the_first_rows_have_both_sides(scene: Scene, browser: Browser) -> None:
    scene.git("init", "-q")
    scene.write("a.txt", "".join(f"old {number}\n" for number in range(450)) + "kept\n")
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write("a.txt", "".join(f"new {number}\n" for number in range(430)) + "kept\nmore\n")
    scene.submit(run, "plan")
    rows = file(browser.get(f"/decide/{asked(scene, run)}?split=1"), "a.txt").split("<tr")
    words = [re.sub("<[^>]*>", "", row) for row in rows]
    assert all(word in words[400] for word in ("old 399", "new 399"))
    assert "52 more lines" in words[400]
    column = re.sub("<[^>]*>", "", file(browser.get(f"/decide/{asked(scene, run)}"), "a.txt"))
    assert ("old 399" in column, "old 400" in column, "new 0" in column) == (True, False, False)
    assert "482 more lines" in column


def test_code_below_a_text_that_began_above_the_hunk_has_its_own_colours() -> None:
    from wfe_mcp.dashboard.prose import highlight

    inside = highlight("a.py", ["the end of a text.", '"""', "import os", "", "value = os.environ"])
    assert 'class="syn-k"' in "".join(map(str, inside[2])), "import is a keyword"
    assert "syn-s" in "".join(map(str, inside[0]))
    below = highlight("a.py", ["import os", '"""the beginning of a text', "that ends below"])
    assert 'class="syn-k"' in "".join(map(str, below[0]))


@pytest.mark.attack("files whose colours take a lexer hours keep the page from who decides", "held", "T8")
def test_colours_that_take_long_are_left_out(
    request_id: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lexer may need the square of a text's length; a page spends a time on colours and words, whatever its files are."""
    from wfe_mcp.dashboard.prose import highlight

    dots = "." * 3_000
    assert highlight("a.ts", [dots]) == [[dots]]
    monkeypatch.setattr("wfe_mcp.dashboard.prose._EFFORT_S", -1.0)
    assert highlight("a.py", ["import os", "x = 1"]) == [["import os"], ["x = 1"]]
    page = browser.get(f"/decide/{request_id}")
    assert "syn-" not in page.text
    assert "<mark" not in page.text
    assert "# &lt;b&gt;" in file(page, "kept.py")


def test_files_with_names_that_differ_by_a_sign_have_places_of_their_own(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    names = ["src/a-b.py", "src/a_b.py", "src/a/b.py", "src/größe 100%.py"]
    for name in names:
        scene.write(name, "x = 1\n")
    scene.submit(run, "plan")
    page = browser.get(f"/decide/{asked(scene, run)}").text
    places = re.findall(r'class="file" id="([^"]*)"', page)
    assert len(set(places)) == len(names)
    assert [place for place in re.findall(r'href="#(f-[^"]*)"', page) if place in places] == places


def test_line_ends_of_windows_are_said_once_and_written_out_where_only_some_lines_have_them(
    scene: Scene, browser: Browser
) -> None:
    scene.git("init", "-q")
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    (scene.root / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    (scene.root / "mixed.txt").write_bytes(b"one\r\ntwo\n")
    scene.submit(run, "plan")
    scene.work()
    page = browser.get(f"/decide/{asked(scene, run)}")
    assert "line ends: CRLF" in file(page, "dos.txt")
    assert "U+000D" not in file(page, "dos.txt")
    assert "line ends: CRLF" not in file(page, "mixed.txt")
    assert file(page, "mixed.txt").count("U+000D") == 1
