"""Who has which role in which project of a server."""

from datetime import UTC, datetime

from wfe_mcp.engine.access.roles import role_faults, roles_of
from wfe_mcp.store.layout.project_records import ProjectRecord
from wfe_mcp.workspace.config.server_table import ServerRole


def project(id_: str, root: str) -> ProjectRecord:
    return ProjectRecord(id_, f"key-{id_}", root, datetime(2026, 2, 1, tzinfo=UTC))


PROJECTS = [project("p1", "/srv/shop"), project("p2", "/srv/letters"), project("p3", "/opt/shop")]
LOOK = ServerRole(role="reader", projects=["*"], groups=["shop"], people=[])
DECIDE = ServerRole(role="approver", projects=["letters"], groups=[], people=["subject-1"])


def test_a_role_is_given_by_group_or_subject_and_the_highest_counts() -> None:
    every = dict.fromkeys(("p1", "p2", "p3"), "reader")
    for roles in ([LOOK, DECIDE], [DECIDE, LOOK]):
        assert roles_of(roles, PROJECTS, "subject-2", ["shop"]) == every
        assert roles_of(roles, PROJECTS, "subject-1", []) == {"p2": "approver"}
        assert roles_of(roles, PROJECTS, "subject-1", ["shop"]) == every | {"p2": "approver"}
        assert roles_of(roles, PROJECTS, "shop", ["subject-1"]) == {}


def test_a_name_that_two_projects_have_or_that_is_an_id_counts_for_none() -> None:
    def of(*named: str, projects: list[ProjectRecord] = PROJECTS) -> set[str]:
        role = ServerRole(role="author", projects=[*named], groups=["all"], people=[])
        return set(roles_of([role], projects, "any", ["all"]))

    assert of("shop") == set()
    assert of("p3", "letters") == {"p2", "p3"}
    assert of("p1", projects=[*PROJECTS, project("p4", "/srv/p1")]) == {"p1"}


def test_a_project_that_a_role_names_and_that_does_not_count_is_said_with_the_nearest() -> None:
    role = ServerRole(role="author", projects=["lettres", "letters", "p1", "*", "shop", "9"], groups=[], people=[])
    assert [*role_faults(role, PROJECTS)] == [
        "no project is called 'lettres'; did you mean 'letters'?",
        "2 projects are called 'shop': name one by its id (p1, p3)",
        "no project is called '9'; see their names: wfe-mcp project list",
    ]
