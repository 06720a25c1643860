"""Import of aiw's backlog.md as milestone_plan@1."""

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.backlog import read_backlog
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.load import load_definition

BACKLOG = """\
# Things to do
Collected in May.
- [ ] Sign the archive with a key
## BLG-001 - Export a whole run
Status: selected
Priority: P1
Tags: export, cli
Conflict scopes: archive, zip
Notes: One file per run

- It must open on another machine.
  And be small.
Acceptance:
- The archive lists every artifact
* [ ] A broken pipe leaves no file
## BLG-002: Import a whole run
Status: done
## BLG-3 Compare two archives
Priority: low
Acceptance: Differences are listed
Tags:
- compare
- cli
"""


def refusal(text: str) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        read_backlog(text).import_plan()
    assert refused.value.code == "invalid_artifact"
    return {detail.path: detail.message for detail in reversed(refused.value.details)}


def item(*lines: str) -> str:
    return "\n".join(["## BLG-001 - Export a whole run", *lines])


@pytest.mark.requirement("S3-06")
def test_a_backlog_becomes_a_valid_plan() -> None:
    made = read_backlog(BACKLOG).import_plan().plan
    (milestone,) = made["milestones"]

    assert validate("milestone_plan@1", made).faults == ()
    assert (made["title"], milestone["id"], milestone["title"]) == ("Things to do", "M1", "Backlog")
    legacy, export, compare = milestone["tasks"]
    assert export == {
        "id": "BLG-001",
        "title": "Export a whole run",
        "depends_on": [],
        "priority": "high",
        "acceptance": ["The archive lists every artifact", "A broken pipe leaves no file"],
        "conflict_scopes": ["archive", "zip"],
        "notes": "One file per run\nIt must open on another machine.\nAnd be small.\nStatus: selected\nTags: export, cli",
    }
    assert (compare["id"], compare["priority"], compare["notes"]) == (
        "BLG-3",
        "low",
        "Status: idea\nTags: compare, cli",
    )
    assert (legacy["id"], legacy["acceptance"]) == ("BLG-003", ["Sign the archive with a key"])


@pytest.mark.requirement("S3-06")
def test_what_is_no_open_item_is_reported_with_its_line() -> None:
    lost = [(detail.path, detail.message) for detail in read_backlog(BACKLOG).import_plan().not_carried]
    assert lost == [
        ("line 2", "introduction: 'Collected in May.'"),
        ("line 16", "BLG-002 is done: a plan says what there is to do"),
    ]


@pytest.mark.requirement("B-19", "S3-06")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (item("Status: selekted"), 2, "unknown status 'selekted'; did you mean 'selected'?"),
        (item("Priority: 99"), 2, "unknown priority '99'"),
        (item("Owner: ada"), 2, "'Owner: ada' is not understood"),
        (item("Tags: a", "prose below tags"), 3, "is not understood"),
        (item("Status: idea", "  - a bullet below nothing"), 3, "is not understood"),
        (item("## Another heading"), 2, "is no item"),
        (item("## BLG-002 -"), 2, "is no item"),
        ("## BLG-000 - First\n## A heading\nlost prose", 3, "is not understood"),
        ("- [ ] ", 1, "has no title"),
        (item("## BLG-001 - Twice the same"), 2, "BLG-001 is in line 1 already"),
    ],
)
def test_a_line_that_is_not_understood_is_an_error_with_its_number(text: str, line: int, words: str) -> None:
    assert words in refusal(text)[f"line {line}"]


def test_a_long_backlog_becomes_milestones_that_the_template_takes() -> None:
    text = "".join(f"## BLG-{number} - Export the run\nAcceptance: It is one file\n" for number in range(1, 102))
    made = read_backlog(text).import_plan().plan
    assert [(each["id"], each["slug"], len(each["tasks"])) for each in made["milestones"]] == [
        ("M1", "backlog", 50),
        ("M2", "backlog-2", 50),
        ("M3", "backlog-3", 1),
    ]
    inputs = load_definition(shipped_folder("templates") / "milestones")["inputs"]
    assert validate(inputs, {"plan": made}).faults == ()


def test_a_backlog_with_nothing_to_do_is_refused() -> None:
    assert refusal("- [x] Export a whole run") == {"line 1": "no item is open"}


def test_an_idea_without_acceptance_lowers_the_score_and_is_imported() -> None:
    quality = read_backlog(item("Priority:")).import_plan().plan["quality"]
    assert (quality["score"], quality["blocking"], quality["problems"][0]["line"]) == (88, 0, 1)
