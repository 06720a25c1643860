"""Import of spec-kit, OpenSpec and spec-workflow folders as documents of ``spec_driven``."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.imported import ImportedWork
from wfe_mcp.importers.openspec import read_openspec
from wfe_mcp.importers.other_tools import work_in
from wfe_mcp.importers.spec_kit import read_spec_kit
from wfe_mcp.importers.spec_workflow import read_spec_workflow
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.load import load_definition

FOLDERS = Path(__file__).parent / "folders"
SPEC_KIT = FOLDERS / "spec_kit" / "specs" / "001-next-tide"
OPENSPEC = FOLDERS / "openspec" / "openspec" / "changes" / "add-next-tide"
SPEC_WORKFLOW = FOLDERS / "spec_workflow" / ".spec-workflow" / "specs" / "next-tide"
READERS: dict[str, tuple[Callable[[Path], ImportedWork], Path]] = {
    "spec-kit": (read_spec_kit, SPEC_KIT),
    "openspec": (read_openspec, OPENSPEC),
    "spec-workflow": (read_spec_workflow, SPEC_WORKFLOW),
}
TASK = {"spec-kit": "- [ ] T00{} [US1] {}", "openspec": "- [ ] 1.{} {}", "spec-workflow": "- [ ] {}. {}"}


def documents(work: ImportedWork) -> dict[str, dict[str, object]]:
    return {name: value for name, (_, _, value) in work.documents.items()}


def items(work: ImportedWork) -> list[tuple[str, list[str], list[str]]]:
    listed = work.documents["tasks.json"][2]["items"]
    return [(each["id"], each["depends_on"], each["requirements"]) for each in listed]


def losses(work: ImportedWork) -> list[str]:
    return [f"{each.path}: {each.message}" for each in work.not_carried]


def copied(tmp_path: Path, name: str, **files: str) -> Path:
    """The tool's folder with other content in some files; a file without content is removed."""
    folder = tmp_path / READERS[name][1].name
    shutil.copytree(READERS[name][1], folder, dirs_exist_ok=True)
    for key, text in files.items():
        path = folder / f"{key}.md"
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text, encoding="utf-8")
    return folder


def refused(name: str, folder: Path) -> list[str]:
    with pytest.raises(Refused) as no:
        READERS[name][0](folder)
    assert no.value.code == "invalid_artifact"
    return [f"{each.path}: {each.message}" for each in no.value.details] or [no.value.message]


@pytest.mark.parametrize("name", READERS)
def test_what_the_tool_wrote_becomes_valid_documents(name: str) -> None:
    read, folder = READERS[name]
    work = read(folder)
    assert list(work.documents) == ["requirements.json", "design.json", "tasks.json"]
    for _, schema, value in work.documents.values():
        assert validate(schema, value).faults == ()
    assert validate(load_definition(shipped_folder("templates") / "spec_driven")["inputs"], work.inputs).faults == ()


def test_a_feature_of_spec_kit_keeps_its_stories_requirements_and_order() -> None:
    work = read_spec_kit(SPEC_KIT)
    spec = documents(work)["requirements.json"]
    assert [(each["id"], each["priority"]) for each in work.documents["requirements.json"][2]["requirements"]] == [
        ("US1", "must"),
        ("US2", "should"),
        ("FR-001", "must"),
        ("FR-002", "must"),
        ("FR-003", "must"),
    ]
    assert spec["open_questions"] == ["local time or UTC?", "What happens after the last tide of the year?"]
    assert spec["constraints"] == ["No network is needed"]
    everything = ["US1", "US2", "FR-001", "FR-002", "FR-003"]
    assert items(work) == [
        ("T002", [], everything),
        ("T004", ["T002"], ["US1"]),
        ("T005", ["T004"], ["US2"]),
        ("T006", ["T005"], ["US2", "FR-002"]),
        ("T007", ["T006"], everything),
    ]
    assert [each["id"] for each in work.documents["tasks.json"][2]["done"]] == ["T001", "T003"]
    assert losses(work)[:2] == [
        "checklists/requirements.md: it has no place in the documents; it stays where it is",
        "contracts/cli.md: it has no place in the documents; it stays where it is",
    ]


def test_a_change_of_openspec_names_what_is_added_changed_and_removed() -> None:
    work = read_openspec(OPENSPEC)
    spec = work.documents["requirements.json"][2]
    assert [each["text"].split(":")[0] for each in spec["requirements"]] == [
        "Print the next tide",
        "Changed",
        "Removed",
    ]
    assert spec["acceptance"][0] == "In the morning: WHEN it is 06:00, THEN 11:20 is printed"
    assert (spec["non_goals"], spec["open_questions"]) == (["A curve of the day"], ["Are heights printed in feet too?"])
    assert [(key, needs) for key, needs, _ in items(work)] == [("1-2", []), ("2-1", ["1-2"]), ("2-2", ["2-1"])]
    assert "specs/next-tide/spec.md:3: the section 'Purpose' has no place in the documents" in losses(work)


def test_a_spec_of_spec_workflow_keeps_its_tasks_and_no_approval() -> None:
    work = read_spec_workflow(SPEC_WORKFLOW)
    assert [(key, needs, serves) for key, needs, serves in items(work)] == [
        ("2", [], ["R-2"]),
        ("3-1", ["2"], ["R-2"]),
        ("3-2", ["3-1"], ["R-1", "R-2"]),
    ]
    assert (
        work.documents["tasks.json"][2]["items"][2]["description"]
        == "Status there: blocked\nBlocked: the name is not decided"
    )
    answer = losses(work)
    assert any("requirements.md was approved there; here a person decides again" in each for each in answer)
    assert any("design.md was pending there; here a person decides again" in each for each in answer)
    assert "tasks.md:15: 3 is the heading of the tasks below it, and no task here" in answer
    assert "steering/product.md: a steering document is no part of the spec; hand it over as a standard" in answer


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_has_only_its_requirements_is_taken_as_far_as_it_is(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path, name, design="", tasks="", plan="", research="")
    work = READERS[name][0](folder)
    assert list(work.documents) == ["requirements.json"]
    assert (work.open_tasks, work.done_tasks) == (0, 0)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_open_tasks_is_refused(tmp_path: Path, name: str) -> None:
    done = TASK[name].format(1, "Show it").replace("[ ]", "[x]")
    assert "its only task is done" in refused(name, copied(tmp_path, name, tasks=done))[0]


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_requirements_leaves_them_to_their_phase(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path, name, spec="# Ours\n", requirements="# Ours\n")
    shutil.rmtree(folder / "specs", ignore_errors=True)
    work = READERS[name][0](folder)
    assert list(work.documents) == ["design.json", "tasks.json"]
    assert all(each["requirements"] == [] for each in work.documents["tasks.json"][2]["items"])
    assert any("no requirement was found; the phase requirements asks for them" in each for each in losses(work))


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path, name, spec="", requirements="", proposal="", design="", tasks="", plan="", research="")
    shutil.rmtree(folder / "specs", ignore_errors=True)
    assert any("no goal, requirement, design or task was found" in each for each in refused(name, folder))


@pytest.mark.parametrize("name", READERS)
def test_a_task_without_a_number_is_counted_and_an_id_used_twice_is_the_first_ones(tmp_path: Path, name: str) -> None:
    text = "\n".join(
        ["# Tasks", TASK[name].format(1, "Show it"), "- [ ] no number", TASK[name].format(1, "Show it twice")]
    )
    work = READERS[name][0](copied(tmp_path, name, tasks=text))
    one, counted, twice = work.documents["tasks.json"][2]["items"]
    assert (counted["id"], counted["title"]) == ("2", "no number")
    assert (twice["id"], twice["title"], twice["depends_on"]) == (f"{one['id']}_2", "Show it twice", ["2"])
    said = losses(work)
    assert "tasks.md:3: it has no number; its place in the list is its id" in said
    (first,) = (each for each in said if "is used twice" in each)
    assert first.startswith("tasks.md:4: the id ")
    assert "is used twice; first at tasks.md:2; here it is " in first


def test_tasks_that_wait_for_each_other_or_for_none_are_named(tmp_path: Path) -> None:
    text = "- [ ] T001 [P] Show a (depends on T002)\n- [ ] T002 [P] [US9] Show b (depends on T001, T009)\n"
    folder = copied(tmp_path, "spec-kit", tasks=text)
    assert refused("spec-kit", folder) == ["tasks.md:1: these tasks depend on each other: T001, T002"]
    folder = copied(tmp_path, "spec-kit", tasks="- [ ] T001 [US9] Show a (depends on T009)\n")
    answer = losses(read_spec_kit(folder))
    assert "tasks.md:1: T001 serves US9, which is not there" in answer
    assert "tasks.md:1: T001 depends on T009, which is not there" in answer


def test_fences_comments_and_lines_below_a_task_are_read_as_what_they_are(tmp_path: Path) -> None:
    text = "<!--\n- [ ] T000 Not this\n-->\n```\n# Not a heading\n```\n- [ ] T001 [US1] Show it\n  Say where\nafter\n"
    (item,) = read_spec_kit(copied(tmp_path, "spec-kit", tasks=text)).documents["tasks.json"][2]["items"]
    assert (item["id"], item["description"]) == ("T001", "Say where")


def test_the_notes_of_the_tools_own_template_are_no_tasks(tmp_path: Path) -> None:
    text = (
        "## Format: `[ID] [P?] [Story] Description`\n\n- **[P]**: Can run in parallel\n\n"
        "- [ ] T001 [P] [US1] Show it in a.py\n\n## Notes\n\n- [P] tasks = different files, no dependencies\n"
        "- [Story] label maps task to specific user story for traceability\n- Avoid: vague tasks\n"
    )
    items = read_spec_kit(copied(tmp_path, "spec-kit", tasks=text)).documents["tasks.json"][2]["items"]
    assert [each["id"] for each in items] == ["T001"]


def test_a_requirement_that_is_there_twice_or_has_no_text_has_an_id_of_its_own_and_a_text(tmp_path: Path) -> None:
    text = "## Requirements\n\n### Requirement 1: Read it\n\n### Requirement 1: Write it\n\n### Requirement 2:\n"
    work = read_spec_workflow(copied(tmp_path, "spec-workflow", requirements=text))
    spec = work.documents["requirements.json"][2]
    assert [(each["id"], each["text"]) for each in spec["requirements"]] == [
        ("R-1", "Read it"),
        ("R-1_2", "Write it"),
        ("R-2", "R-2"),
    ]
    assert "requirements.md: the requirement R-2 has no text; its id stands for it" in losses(work)


def test_a_line_that_begins_with_code_and_a_question_without_words_hide_nothing(tmp_path: Path) -> None:
    text = "### User Story 1 - Read it\n```tides``` prints [NEEDS CLARIFICATION: ]\n### User Story 2 - Write it\nx\n"
    spec = read_spec_kit(copied(tmp_path, "spec-kit", spec=text, tasks="")).documents["requirements.json"][2]
    assert [each["id"] for each in spec["requirements"]] == ["US1", "US2"]
    assert validate("spec@1", spec).faults == ()


def test_a_task_with_thousands_of_lines_below_it_keeps_them(tmp_path: Path) -> None:
    folder = copied(tmp_path, "spec-kit", tasks="- [ ] T001 Read it\n" + "  a\n" * 60_000)
    (made,) = read_spec_kit(folder).documents["tasks.json"][2]["items"]
    assert made["description"].count("a") == 60_000


def test_a_design_that_names_every_requirement_stays_as_it_is(tmp_path: Path) -> None:
    work = read_openspec(copied(tmp_path, "openspec", design="# Ours\n\nR-1, R-2 and R-3.\n"))
    assert documents(work)["design.json"]["body"] == "# Ours\n\nR-1, R-2 and R-3.\n"


def test_a_story_without_priority_is_a_must_and_a_spec_without_goal_takes_its_name(tmp_path: Path) -> None:
    folder = copied(tmp_path, "spec-kit", spec="### User Story 1 - Read it\n\nOne file.\n", tasks="")
    work = read_spec_kit(folder)
    spec = work.documents["requirements.json"][2]
    assert (spec["title"], spec["goal"]) == ("001-next-tide", "001-next-tide")
    assert spec["requirements"] == [{"id": "US1", "text": "Read it: One file.", "priority": "must"}]
    assert spec["acceptance"] == ["Read it: One file."]


def test_other_requirements_and_an_unreadable_approval_do_not_hide(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(FOLDERS / "spec_workflow", project)
    approvals = project / ".spec-workflow" / "approvals" / "next-tide"
    (approvals / "odd.json").write_text("[]", encoding="utf-8")
    work = work_in(project)
    assert work is not None
    assert any("odd.json was asked about there" in each for each in losses(work))
    (approvals / "odd.json").write_text("{", encoding="utf-8")
    with pytest.raises(Refused) as no:
        work_in(project)
    assert no.value.details[0].path == "approvals/next-tide/odd.json:1"


def test_a_folder_with_requirements_of_another_kind_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "requirements.md").write_text("# Ours\n", encoding="utf-8")
    (tmp_path / "spec.md").write_text("# Ours\n", encoding="utf-8")
    assert work_in(tmp_path) is None
    with pytest.raises(Refused, match="so it is no folder of OpenSpec"):
        work_in(tmp_path, "openspec")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.attack("a document in a folder of another tool is a link", "held", "T5")
def test_a_document_that_is_a_link_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path, "openspec", design="")
    (tmp_path / "secret").write_text("mine", encoding="utf-8")
    (folder / "design.md").symlink_to(tmp_path / "secret")
    assert refused("openspec", folder) == ["design.md: it is a link; links are not followed"]


def test_a_feature_of_spec_kit_in_the_language_of_its_user_is_read_by_its_ids(tmp_path: Path) -> None:
    spanish = (
        "# Especificación: Marea\n\n## Escenarios *(obligatorio)*\n\n### Historia de Usuario 1 - Leer (Prioridad: P2)\n\n"
        "**Como** paseante, leo la tabla.\n\n**Escenarios**:\n\n1. **Dado** un fichero, **Cuando** se lee, **Entonces** hay dos\n\n"
        "### Requisitos Funcionales\n\n- **RF-001**: El sistema DEBE leer\n\n## Notas\n\n- **RF-001**: viene de Ada\n"
        "- **SC-001**: En un segundo\n"
    )
    (tmp_path / "proyecto" / "specs").mkdir(parents=True)
    folder = tmp_path / "proyecto" / "specs" / "001-marea"
    shutil.copytree(copied(tmp_path, "spec-kit", spec=spanish, tasks="- [ ] T001 [US1] Leer (RF-001)\n"), folder)
    work = work_in(tmp_path / "proyecto")
    assert work is not None
    spec = work.documents["requirements.json"][2]
    assert [(each["id"], each["text"], each["priority"]) for each in spec["requirements"]] == [
        ("US1", "Leer: **Como** paseante, leo la tabla.", "should"),
        ("RF-001", "El sistema DEBE leer", "must"),
    ]
    assert spec["acceptance"] == ["Dado un fichero, Cuando se lee, Entonces hay dos", "En un segundo"]
    assert items(work) == [("T001", [], ["US1", "RF-001"])]


def test_a_story_in_another_script_is_known_by_its_number_and_priority(tmp_path: Path) -> None:
    text = "# 기능\n\n### 사용자 스토리 1 - 로그인 (Priority: P1)\n\n게스트\n\n### 用户故事 2 - 登录\uff08优先级: P3\uff09\n\n登录\n"
    spec = read_spec_kit(copied(tmp_path, "spec-kit", spec=text, tasks="")).documents["requirements.json"][2]
    assert [(each["id"], each["text"], each["priority"]) for each in spec["requirements"]] == [
        ("US1", "로그인: 게스트", "must"),
        ("US2", "登录: 登录", "could"),
    ]


def test_a_requirement_of_spec_workflow_is_known_by_its_number_whatever_word_stands_before_it(tmp_path: Path) -> None:
    text = (
        "## Requirements\n\n### REQ-001: Read it\n\n### 要件 2: Print it\n\n## Non-Functional Requirements\n\n"
        "### Phase 3\n\n- Fast\n"
    )
    tasks = "- [ ] 1. Read\n  - _Requirements: REQ-001_\n- [ ] 2. Print\n  - _Requirements: 2.1_\n"
    work = read_spec_workflow(copied(tmp_path, "spec-workflow", requirements=text, tasks=tasks))
    spec = work.documents["requirements.json"][2]
    assert [each["id"] for each in spec["requirements"]] == ["R-1", "R-2"]
    assert spec["constraints"] == ["Fast"]
    assert items(work) == [("1", [], ["R-1"]), ("2", ["1"], ["R-2"])]


def test_a_task_of_openspec_that_was_put_between_two_keeps_its_letter(tmp_path: Path) -> None:
    text = "## 3. Show\n\n- [x] 3.6 Read\n- [ ] 3.6a Clean up\n- [ ] 3.7 Print\n"
    assert [each[:2] for each in items(read_openspec(copied(tmp_path, "openspec", tasks=text)))] == [
        ("3-6a", []),
        ("3-7", ["3-6a"]),
    ]


def test_a_list_without_numbers_beside_the_tasks_of_spec_workflow_is_no_task(tmp_path: Path) -> None:
    text = "# Tasks\n\n- [ ] 1. Show it\n  - [ ] first the table\n\n## Success Criteria\n\n- [ ] It is fast\n- [x] It is small\n"
    work = read_spec_workflow(copied(tmp_path, "spec-workflow", tasks=text))
    (item,) = work.documents["tasks.json"][2]["items"]
    assert (item["title"], item["description"]) == ("Show it", "first the table")
    assert [each for each in losses(work) if each.startswith("tasks.md:")][:2] == [
        "tasks.md:8: it has no number, so it is no task",
        "tasks.md:9: it has no number, so it is no task",
    ]


def test_the_steps_below_a_task_of_openspec_are_part_of_it(tmp_path: Path) -> None:
    text = "## 1. Show\n\n- [ ] 1.1 Read\n  - [x] the head\n  - [ ] the rows\n    as numbers\n"
    (item,) = read_openspec(copied(tmp_path, "openspec", tasks=text)).documents["tasks.json"][2]["items"]
    assert item["description"].split("\n")[-3:] == ["the head", "the rows", "as numbers"]
