"""Which simple commands a shell text holds, and what they write."""

import pytest

from wfe_mcp.clients.wfe_hook.shell import commands


def read(text: str) -> list[tuple[list[str], list[str]]]:
    return [(each.words, each.writes) for each in commands(text)]


TEXTS: list[tuple[str, list[tuple[list[str], list[str]]]]] = [
    ("ls -l", [(["ls", "-l"], [])]),
    ("echo 'a b' > out.txt", [(["echo", "a b"], ["out.txt"])]),
    ('echo "a > b" >> "my file"', [(["echo", "a > b"], ["my file"])]),
    ("make 2>err.log >&2", [(["make"], ["err.log"])]),
    ("make > all.log 2>&1", [(["make"], ["all.log"])]),
    ("make &> all.log &", [(["make"], ["all.log"])]),
    ("cat < in | tee -a out", [(["cat"], []), (["tee", "-a", "out"], [])]),
    ("a && b || c; d\ne", [([each], []) for each in "abcde"]),
    ("(cd x && rm y)", [(["cd", "x"], []), (["rm", "y"], [])]),
    ("echo a\\ b\\\n c", [(["echo", "a b", "c"], [])]),
    ("echo x # > y\nls", [(["echo", "x"], []), (["ls"], [])]),
    ("echo $(touch f) `rm g`", [(["touch", "f"], []), (["rm", "g"], []), (["echo", "$(…)", "$(…)"], [])]),
    ('echo "$(touch f)"', [(["touch", "f"], []), (["echo", "$(…)"], [])]),
    ('echo "a \\" b"', [(["echo", 'a " b'], [])]),
    ("diff <(sort a) b", [(["sort", "a"], []), (["diff", "$(…)", "b"], [])]),
    ("bash -lc 'rm x'", [(["rm", "x"], []), (["bash", "-lc", "rm x"], [])]),
    ("bash -c", [(["bash", "-c"], [])]),
    ("bash --norc x", [(["bash", "--norc", "x"], [])]),
    ("eval rm x", [(["rm", "x"], []), (["eval", "rm", "x"], [])]),
    ("sh <<END\nrm x\nEND\nls", [(["rm", "x"], []), (["sh"], []), (["ls"], [])]),
    ("bash <<< 'rm x'", [(["rm", "x"], []), (["bash"], [])]),
    ("cat <<-'END'\nrm x\n", [(["cat"], [])]),
    ("X=1 sudo -E nice -n 5 rm x", [(["rm", "x"], [])]),
    ("if true; then rm x; fi", [(["true"], []), (["rm", "x"], [])]),
    ("ls | xargs -n1 rm", [(["ls"], []), (["rm"], [])]),
    ("script -qec 'rm x' /dev/null", [(["rm", "x"], [])]),
    ("> empty", [([], ["empty"])]),
    ("", []),
    ("cat 'open", [(["cat", "open"], [])]),
]


@pytest.mark.parametrize(("text", "wanted"), TEXTS)
def test_a_text_is_read_as_a_shell_reads_it(text: str, wanted: list[tuple[list[str], list[str]]]) -> None:
    assert read(text) == wanted


def test_texts_inside_texts_end_somewhere() -> None:
    text = "rm x"
    for _ in range(20):
        text = f"$({text})"
    assert commands(text)


def test_a_program_is_named_without_its_folder() -> None:
    (found,) = commands("/usr/bin/wfe-mcp.exe status")
    assert found.name == "wfe-mcp"
