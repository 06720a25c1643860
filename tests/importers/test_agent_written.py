"""Documents of spec-driven tools as agents write them: the forms of real repositories, none of them the tool's own template."""

from pathlib import Path

import pytest

from tests.importers.test_spec_folders import READERS, copied, documents, items, losses
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.importers.openspec import read_openspec
from wfe_mcp.importers.spec_kit import read_spec_kit
from wfe_mcp.importers.spec_workflow import read_spec_workflow


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("**T001** Show it", "T001"),
        ("T031-MIN Show it", "T031-MIN"),
        ("T007a Show it", "T007a"),
        ("T-1: Show it", "T-1"),
        ("**1. Show it**", "1"),
        ("**Task 1.1: Show it**", "1-1"),
        ("\U0001f535 1.3.1 Show it", "1-3-1"),
        ("2.1) Show it", "2-1"),
        ("#12 Show it", "1"),
        ("Show it", "1"),
    ],
)
def test_a_task_is_known_whatever_stands_around_its_number(tmp_path: Path, name: str, line: str, key: str) -> None:
    work = READERS[name][0](copied(tmp_path, name, tasks=f"- [ ] {line}\n"))
    (item,) = work.documents["tasks.json"][2]["items"]
    assert (item["id"], item["title"].removeprefix("#12 ")) == (key, "Show it")
    assert validate("task_list@1", work.documents["tasks.json"][2]).faults == ()


def test_labels_behind_a_bold_number_are_those_of_spec_kit(tmp_path: Path) -> None:
    text = "- [ ] **T001** [P] [US2] Write it in a.py\n- [ ] **T002** [P] Read it\n- [?] T003 **[LATER]** Show it\n"
    work = read_spec_kit(copied(tmp_path, "spec-kit", tasks=text))
    first, second, last = work.documents["tasks.json"][2]["items"]
    assert (first["title"], first["requirements"], first["files"]) == ("Write it in a.py", ["US2"], ["a.py"])
    assert second["depends_on"] == []
    assert (last["title"], last["description"], last["depends_on"]) == (
        "[LATER] Show it",
        "Marked there: [?]",
        ["T001", "T002"],
    )


def test_every_box_is_a_task_of_openspec_and_one_inside_a_task_is_its_step(tmp_path: Path) -> None:
    text = "## Work\n\n- [ ] 1.1 Read\n  - [ ] the head\n\n## Release\n\n- [x] Tag\n- [ ] Announce\n"
    work = read_openspec(copied(tmp_path, "openspec", tasks=text))
    assert [each[:2] for each in items(work)] == [("1-1", []), ("3", [])]
    assert work.documents["tasks.json"][2]["items"][0]["description"] == "Group: Work\nthe head"


def test_a_change_that_is_a_proposal_alone_is_begun_with_its_text(tmp_path: Path) -> None:
    folder = tmp_path / "undo"
    folder.mkdir()
    (folder / "proposal.md").write_text("# Undo\n\n## Background\n\nA click too many.\n", encoding="utf-8")
    work = read_openspec(folder)
    assert work.documents == {}
    assert work.inputs["goal"] == "A click too many.\n\nThis was begun with OpenSpec."


def test_numbered_headings_are_requirements_and_a_task_names_them_by_word_and_number(tmp_path: Path) -> None:
    text = (
        "# Ours\n\n## 1. Functional Requirements\n\n### FR1: Read it\n\n### FR2: Print it\n\n"
        "## 2. Non-Functional Requirements\n\n### NFR1: Fast\n\n- In a second\n\n"
        "## 3. Technical Requirements\n\n### TR1: No dependency\n\n### User Story 4 - Share it\n\n"
        "## Out of Scope\n\n- A curve\n\n## Future Vision\n\n### FV-1: Sound\n\n- A bell\n"
    )
    tasks = (
        "- [ ] 1. Read\n  - **Requirements**: FR1, TR-1\n  - **File**: `a.py`\n- [ ] 2. Print\n  - _Requirements: 2.1_\n"
        "- [ ] 3. Rest\n  - _Requirements: 9_\n"
    )
    work = read_spec_workflow(copied(tmp_path, "spec-workflow", requirements=text, tasks=tasks))
    spec = documents(work)["requirements.json"]
    assert [each["id"] for each in work.documents["requirements.json"][2]["requirements"]] == [
        "R-1",
        "R-2",
        "TR-1",
        "R-4",
    ]
    assert (spec["constraints"], spec["non_goals"]) == (["In a second"], ["A curve", "A bell"])
    assert [serves for _, _, serves in items(work)][:2] == [["R-1", "TR-1"], ["R-2"]]
    assert work.documents["tasks.json"][2]["items"][0]["files"] == ["a.py"]
    assert "tasks.md:6: 3 serves R-9, which is not there" in losses(work)


def test_a_requirement_with_the_number_of_its_section_is_named_by_the_whole_number(tmp_path: Path) -> None:
    text = "## 3. Functional Requirements\n\n### 3.1 Launch\n\n### 3.2 Stop\n"
    tasks = "- [ ] 1. Start\n  - _Requirements: 3.1_\n- [ ] 2. End\n  - _Requirements: 3.2_\n"
    work = read_spec_workflow(copied(tmp_path, "spec-workflow", requirements=text, tasks=tasks))
    assert [serves for _, _, serves in items(work)] == [["R-3-1"], ["R-3-2"]]


def test_an_edge_case_with_its_answer_is_what_is_accepted_and_no_open_question(tmp_path: Path) -> None:
    text = (
        "# Feature Specification: Tides\n\n### User Story 1 - Read it (Priority: P1)\n\nx\n\n### Edge Cases\n\n"
        "- What happens at sea?\n- What happens offline? The last table is shown.\n"
        "- What happens without a harbour?\n  - It is asked for\n- **Empty table**: says so\n- Was passiert\uff1f\n"
    )
    spec = documents(read_spec_kit(copied(tmp_path, "spec-kit", spec=text)))["requirements.json"]
    assert spec["open_questions"] == ["What happens at sea?", "Was passiert\uff1f"]
    assert spec["acceptance"] == [
        "What happens offline? The last table is shown.",
        "What happens without a harbour? It is asked for",
        "Empty table: says so",
    ]
