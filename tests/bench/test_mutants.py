"""What a mutation run changes, and that it separates a mutant that the tests find from one that survives."""

import ast
from pathlib import Path

import pytest

from bench import mutants
from bench.mutants import TESTS, drawn, files_testing, main, mutants_in, mutated

SOURCE = '''"""A module 1 + 1."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from x import y  # 1 + 1


@dataclass(frozen=True)
class Rule:
    """Frozen so that it stays as it is."""


def may(age: "int", names: tuple[str, ...] = ()) -> bool:
    """Whether ``age`` is enough, größer als 17."""
    if not names:
        raise ValueError("größer")
    check(age)
    return age >= 18 and "ü" in names
'''


def test_each_place_that_has_an_effect_is_changed_in_one_way() -> None:
    found = [(one.line, one.before, one.after) for one in mutants_in("x.py", SOURCE)]
    assert found == [
        (15, "not names", "(names)"),
        (16, 'raise ValueError("größer")', "pass"),
        (17, "check(age)", "pass"),
        (18, 'return age >= 18 and "ü" in names', "return None"),
        (18, "age >= 18", "(age > 18)"),
        (18, 'age >= 18 and "ü" in names', '((age >= 18) or ("ü" in names))'),
        (18, "18", "19"),
        (18, '"ü" in names', '("ü" not in names)'),
    ]


@pytest.mark.parametrize("package", TESTS)
def test_each_mutant_of_a_package_is_one_change_that_python_can_read(package: str) -> None:
    root = Path(mutants.__file__).parent.parent
    for mutant in drawn(package, 25, seed=1):
        source = (root / mutant.file).read_text("utf-8")
        changed = mutated(source, mutant)
        ast.parse(changed)
        assert changed != source


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert drawn("core", 10, seed=3) == drawn("core", 10, seed=3) != drawn("core", 10, seed=4)


def test_tests_that_are_named_after_a_module_run_first_and_each_of_them_exists() -> None:
    assert files_testing("core", "wfe_mcp/core/undo.py")[0] == "tests/core/test_undo.py"
    root = Path(mutants.__file__).parent.parent
    assert all((root / file).is_file() for package in TESTS for file in files_testing(package, "x.py"))


def test_the_list_names_the_places_and_an_unknown_package_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine/kernel", "--list", "--sample", "3"]) == 0
    assert capsys.readouterr().out.count("→") == 3
    with pytest.raises(SystemExit):
        main(["nowhere"])
    assert "there are core, engine/kernel" in capsys.readouterr().err


def test_a_mutant_is_found_where_a_test_fails_and_survives_where_none_does(tmp_path: Path) -> None:
    copy = mutants.Copy.__new__(mutants.Copy)
    copy.root = tmp_path
    (tmp_path / "grown.py").write_text(SOURCE.partition("@dataclass")[0] + "def grown(age):\n    return age > 18\n")
    (tmp_path / "test_old.py").write_text("from grown import grown\n\ndef test_old():\n    assert grown(30)\n")
    (tmp_path / "test_edge.py").write_text("from grown import grown\n\ndef test_edge():\n    assert not grown(18)\n")
    source = (tmp_path / "grown.py").read_text()
    (edge,) = [one for one in mutants_in("grown.py", source) if ">=" in one.after]
    assert not copy.is_found(edge, ["test_old.py"], 60)
    assert copy.is_found(edge, ["test_old.py", "test_edge.py"], 60)
    assert (tmp_path / "grown.py").read_text() == source
