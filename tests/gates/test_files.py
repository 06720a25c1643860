"""The files gate compares the project with the attempt's start."""

import hashlib
from pathlib import Path

import pytest

from tests.gates.conftest import Project
from tests.gates.scenes import gate_scene
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.files import judge as judge_files
from wfe_mcp.gates.git import judge as judge_git
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workflow.model.gates import FilesGate, GitGate
from wfe_mcp.workspace.git.working_tree import tree_hash


def judge(project: Project, start: str | None = None, **rules: object) -> Judgement:
    return judge_files(
        FilesGate.model_validate({"kind": "files", **rules}), gate_scene(project.root, tree=start, run=start)
    )


def test_where_an_input_says_what_may_change_the_refusal_names_it_and_the_value_that_allows_the_file(
    project: Project,
) -> None:
    start = tree_hash(project.root)
    project.write("spec/a_spec.rb", "")
    gate = FilesGate.model_validate({"kind": "files", "within": ["tests/**"]})
    judgement = judge_files(gate, gate_scene(project.root, tree=start, allowed_by="tests"))
    expected = """or, if the input 'tests' should allow them, start another run with tests=["spec/a_spec.rb"]."""
    assert judgement.message.endswith(expected)


@pytest.mark.parametrize("source", ["slugify/slugify.py", ".worktreeinclude"])
def test_no_refusal_advises_to_declare_a_file_a_test_that_does_not_look_like_one(project: Project, source: str) -> None:
    start = tree_hash(project.root)
    project.write(source, "")
    project.write("spec/a_spec.rb", "")
    gate = FilesGate.model_validate({"kind": "files", "within": ["tests/**"]})
    judgement = judge_files(gate, gate_scene(project.root, tree=start, allowed_by="tests"))
    assert "another run" not in judgement.message
    assert "only what you changed there: the user may have uncommitted work" in judgement.message


def test_files_that_must_exist_do(project: Project) -> None:
    judgement = judge(project, exist=["src/calc.py", "src/**/*.py"])
    assert (judgement.kind, judgement.evidence_kind) == (VerdictKind.PASS, "files")


def test_every_missing_file_is_named(project: Project) -> None:
    project.write(".wfe/docs/plan.md", "not a file of the project")
    judgement = judge(project, exist=["src/calc.py", "docs/plan.md", "**/plan.md"])
    assert judgement.kind is VerdictKind.FAIL
    assert "'docs/plan.md', '**/plan.md'" in judgement.message and "write the missing files" in judgement.message
    assert judgement.data["exist"] == {"src/calc.py": True, "docs/plan.md": False, "**/plan.md": False}


def test_a_link_out_of_the_project_is_no_file_of_it(project: Project) -> None:
    (project.root.parent / "outside").write_text("x")
    (project.root / "inside").symlink_to(project.root.parent / "outside")
    assert judge(project, exist=["inside"]).kind is VerdictKind.FAIL


@pytest.mark.parametrize("name", ["../outside", "src/../../outside", "ROOT/../outside", "x" * 300, "a\0b", "\ud800"])
def test_a_path_that_leads_out_or_that_no_file_can_have_is_no_file_of_the_project(project: Project, name: str) -> None:
    (project.root.parent / "outside").write_text("x")
    assert judge(project, exist=[name.replace("ROOT", str(project.root))]).kind is VerdictKind.FAIL
    assert judge(project, exist=["./src/calc.py"]).kind is VerdictKind.PASS


def test_changed_tests_are_found_even_when_they_are_committed(project: Project) -> None:
    project.write("tests/test_a.py", "def test_a(): assert 0\n")
    start = tree_hash(project.root)
    project.write("tests/test_a.py", "def test_a(): pass\n")
    project.write("src/calc.py", "# mended\n")
    project.commit("Mend")
    judgement = judge(project, start, unchanged=["tests/**"])
    assert judgement.kind is VerdictKind.FAIL
    assert "tests/test_a.py" in judgement.message and "restore" in judgement.message
    assert judgement.data["changed"] == ["src/calc.py", "tests/test_a.py"]
    assert judge(project, start, unchanged=["docs/**"]).kind is VerdictKind.PASS


def test_changes_outside_the_allowed_paths_are_named(project: Project) -> None:
    start = tree_hash(project.root)
    project.write("src/new.py", "")
    project.write("setup.cfg", "")
    project.write(".wfe/draft.json", "ours")
    judgement = judge(project, start, within=["src/**"])
    assert judgement.kind is VerdictKind.FAIL
    assert judgement.data["outside"] == ["setup.cfg"] and "undo the changes" in judgement.message
    assert judge(project, start, within=["src/**", "*.cfg"]).kind is VerdictKind.PASS


@pytest.mark.attack("keep code that a check reads in .wfe, where no files gate looks", "held", "T15")
def test_code_in_the_folder_of_wfe_is_a_change_as_any_other(project: Project) -> None:
    start = tree_hash(project.root)
    project.write(".wfe/helper.py", "")
    assert judge(project, start, within=["src/**"]).data["outside"] == [".wfe/helper.py"]


def test_where_no_path_is_allowed_nothing_may_change(project: Project) -> None:
    start = tree_hash(project.root)
    assert judge(project, start, within=[]).kind is VerdictKind.PASS
    project.write("src/new.py", "")
    judgement = judge(project, start, within=[])
    assert (judgement.kind, judgement.data["outside"]) == (VerdictKind.FAIL, ["src/new.py"])
    assert "the allowed paths (none)" in judgement.message


MANY = [f"made/of/many/parts/{name}/**" for name in "abcdefghijklmno"]


@pytest.mark.parametrize(
    "rules",
    [{"within": MANY}, {"unchanged": ["*.json", *MANY]}, {"changed": MANY}, {"changed_outside": ["*.json", *MANY]}],
)
def test_the_offender_comes_first_and_in_one_line_of_a_screen(project: Project, rules: dict[str, list[str]]) -> None:
    start = tree_hash(project.root)
    for number in range(20):
        project.write(f"a{number:02}.json", "{}")
    message = judge(project, start, **rules).message
    assert message.startswith("Files gate: a00.json, a01.json, ")
    offenders, _, rest = message.partition(" changed since the phase started")
    assert rest and offenders.endswith(" more") and len(offenders) <= 80
    assert message.count("/**") <= 2


def test_an_offender_with_a_long_name_is_named_whole(project: Project) -> None:
    start = tree_hash(project.root)
    long = f"{'deep/' * 20}a.json"
    project.write(long, "{}")
    project.write("z.json", "{}")
    assert f"Files gate: {long} and 1 more changed" in judge(project, start, within=["src/**"]).message


def test_a_change_may_be_demanded(project: Project) -> None:
    start = tree_hash(project.root)
    idle = judge(project, start, changed=["**"])
    assert idle.kind is VerdictKind.FAIL
    assert (
        "no file has changed since the phase started." in idle.message
        and "Next: make the change (what was in the folder" in idle.message
    )
    project.write("tests/test_a.py", "def test_a(): pass\n")
    assert judge(project, start, changed=["**"]).kind is VerdictKind.PASS
    elsewhere = judge(project, start, changed=["src/**"], since="run")
    assert "tests/test_a.py changed since the run started, but no file that matches src/**. Next" in elsewhere.message
    assert elsewhere.data["since"] == "run"


def test_a_change_outside_some_paths_may_be_demanded(project: Project) -> None:
    start = tree_hash(project.root)
    assert judge(project, start, changed_outside=["tests/**"]).kind is VerdictKind.FAIL
    project.write("tests/test_a.py", "def test_a(): pass\n")
    idle = judge(project, start, changed_outside=["tests/**"])
    assert "tests/test_a.py changed since the phase started, but no file outside tests/**." in idle.message
    assert idle.message.endswith("Next: make the change outside these paths.")
    project.write("src/calc.py", "# mended\n")
    assert judge(project, start, changed_outside=["tests/**"]).kind is VerdictKind.PASS


def test_an_expression_that_gives_no_glob_demands_any_change_outside_and_an_impossible_one_inside(
    project: Project,
) -> None:
    start = tree_hash(project.root)
    assert judge(project, start, changed_outside=[]).kind is VerdictKind.FAIL
    project.write("src/calc.py", "# mended\n")
    assert judge(project, start, changed_outside=[]).kind is VerdictKind.PASS
    assert "a glob (none given)" in judge(project, start, changed=[]).message


def test_what_a_check_writes_is_no_change_although_the_start_did_not_know_it(project: Project) -> None:
    project.write("report.xml", "<old/>")
    start = tree_hash(project.root)
    project.write("report.xml", "<new/>")
    gate = FilesGate.model_validate({"kind": "files", "changed": ["**"], "since": "run"})
    judgement = judge_files(gate, gate_scene(project.root, run=start, ignored="report.xml"))
    assert (judgement.kind, judgement.data["changed"]) == (VerdictKind.FAIL, [])


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(project: Project) -> None:
    project.write("app/[id]/page.test.tsx", "")
    assert judge(project, exist=["app/[id]/page.test.tsx"]).kind is VerdictKind.PASS
    assert judge(project, exist=["app/[id]/page.spec.tsx"]).kind is VerdictKind.FAIL


@pytest.mark.parametrize(
    "rules", [{"unchanged": ["tests/**"]}, {"within": ["src/**"]}, {"changed": ["**"]}, {"changed_outside": ["a"]}]
)
def test_without_git_what_changed_is_unknown(tmp_path: Path, rules: dict[str, object]) -> None:
    judgement = judge(Project(tmp_path), None, **rules)
    assert judgement.kind is VerdictKind.ERROR and "git init" in judgement.message


@pytest.mark.parametrize(("since", "then"), [("run", "start a new run"), ("phase", "retry the phase")])
def test_what_began_before_there_was_a_repository_can_be_compared_from_a_new_start(
    project: Project, since: str, then: str
) -> None:
    judgement = judge(project, None, changed=["**"], since=since)
    assert judgement.message.endswith(f"ask the user to {then}.")
    assert "git init" not in judgement.message


def test_what_git_says_of_a_repository_that_it_refuses_is_passed_on(project: Project) -> None:
    start = tree_hash(project.root)
    project.root.joinpath(".git", "config").write_text("garbage [")
    for judgement in (
        judge(project, start, changed=["**"]),
        judge_git(GitGate(kind="git", clean=True), gate_scene(project.root)),
    ):
        assert "bad config line 1 in file .git/config" in judgement.message
        assert (
            "ask the user to do this in the project: git status;" in judgement.message
            and "git init" not in judgement.message
        )


def test_files_can_be_required_without_git(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert judge(Project(tmp_path), exist=["*.txt"]).kind is VerdictKind.PASS


def test_an_ignored_file_that_a_check_may_read_must_not_change_either(project: Project) -> None:
    project.write(".gitignore", "conftest.py\n.venv/\n")
    start = tree_hash(project.root)
    project.write("conftest.py", "x")
    project.write(".venv/lib/python3.12/site-packages/more.pth", "x")
    bounded = judge(project, start, within=["src/**"])
    assert bounded.data["outside"] == ["conftest.py"], "what an installation writes is no change of the project"
    assert bounded.data["changed_and_ignored_by_git"] == [".venv/lib/python3.12/site-packages/more.pth", "conftest.py"]
    assert judge(project, start, unchanged=["**/*.pth"]).kind is VerdictKind.FAIL


def test_a_gate_that_passed_says_which_rules_held(project: Project) -> None:
    start = tree_hash(project.root)
    project.write("src/new.py", "")

    def said(**rules: object) -> str:
        return judge(project, start, **rules).message

    assert (
        said(unchanged=["tests/**", "docs/**", "a", "b"])
        == "Unchanged since the phase started: tests/**, docs/** and 2 more."
    )
    assert said(exist=["src/**"], within=["src/**"]) == "Exists: src/**; changed only: src/**."
    assert (
        said(changed=["**"], changed_outside=["tests/**"], since="run")
        == "Changed a file; changed a file outside tests/**."
    )
    assert said(changed=["src/**"]) == "Changed: src/**."
    assert said(changed_outside=[]) == "Changed a file outside (no glob)."
    assert said(unchanged=[]) == "No file is named."


# -- attached proof -------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n picture"


def judged_with(project: Project, path: str, content: bytes, *, attached: bytes, **rules: object) -> Judgement:
    start = tree_hash(project.root)
    (project.root / path).parent.mkdir(parents=True, exist_ok=True)
    (project.root / path).write_bytes(content)
    proof = frozenset({(path.rpartition("/")[2], hashlib.sha256(attached).hexdigest())})
    scene = gate_scene(project.root, tree=start, run=start, attached=proof)
    return judge_files(FilesGate.model_validate({"kind": "files", **rules}), scene)


@pytest.mark.parametrize("path", ["shot.png", "proof/run.log", "out.txt"])
def test_proof_that_is_attached_is_no_change_and_no_work(project: Project, path: str) -> None:
    content = PNG if path.endswith("png") else b"it failed"
    judgement = judged_with(project, path, content, attached=content, within=["tests/**"], unchanged=["**"])
    assert (judgement.kind, judgement.data["attached"], judgement.data["changed"]) == (VerdictKind.PASS, [path], [])
    for rules in ({"changed": ["**"]}, {"changed_outside": ["tests/**"]}):
        (project.root / path).unlink()
        again = judged_with(project, path, content, attached=content, **rules)
        assert again.kind is VerdictKind.FAIL, "a proof is not the change that is asked for"


@pytest.mark.parametrize(
    ("path", "content", "attached"),
    [
        ("hack.py", b"x = 1", b"x = 1"),
        ("conftest.py", b"x = 1", b"x = 1"),
        ("package.json", b"{}", b"{}"),
        ("shot.png", b"not a picture", b"not a picture"),
        ("out.txt", b"changed since", b"as attached"),
        ("tests/data.txt", b"what a test reads", b"what a test reads"),
    ],
)
def test_what_a_check_may_read_is_a_change_though_it_is_attached(
    project: Project, path: str, content: bytes, attached: bytes
) -> None:
    judgement = judged_with(project, path, content, attached=attached, within=["docs/**"])
    assert (judgement.kind, judgement.data["outside"]) == (VerdictKind.FAIL, [path])
    assert "belongs in .wfe/, where data counts for no gate" in judgement.message


def test_a_file_that_was_there_is_no_proof(project: Project) -> None:
    project.write("notes.txt", "before")
    judgement = judged_with(project, "notes.txt", b"after", attached=b"after", within=["docs/**"])
    assert judgement.data["outside"] == ["notes.txt"]
