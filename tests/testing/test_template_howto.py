"""The tests on the how-to page about testing templates pass."""

import re
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-template.md"
TEMPLATE = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_tests_on_the_page_pass(eval_example: EvalExample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "templates" / "greeting"
    folder.mkdir(parents=True)
    found = TEMPLATE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    (folder / "template.json").write_text(found[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    defined = ran = 0
    names: dict[str, object] = {}
    for example in find_examples(str(PAGE)):
        names = _run(eval_example, example, names)
        defined += example.source.count("\ndef test_") + example.source.startswith("def test_")
        for name in [one for one in names if one.startswith("test_")]:
            test = names.pop(name)
            (tmp_path / name).mkdir()
            assert callable(test)
            test(tmp_path / name)
            ran += 1

    assert (defined, ran) == (3, 3)


def _run(eval_example: EvalExample, example: CodeExample, before: dict[str, object]) -> dict[str, object]:
    if example.prefix != "python":
        return before
    return {**before, **eval_example.run(example, module_globals=before)}
