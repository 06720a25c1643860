"""In which projects the roles of ``[server.roles]`` count, for whom.

Rules:
1. A role names its projects by their ids, by their names, or all of them.
2. A name that several projects have counts for none of them, and none counts that is the id of another project.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from wfe_mcp.core.errors import near_miss
from wfe_mcp.engine.kernel.identity import name_of
from wfe_mcp.store.records.runs import ProjectRecord
from wfe_mcp.workspace.config.server_table import EVERY_PROJECT, ROLES, Role, ServerRole


def roles_of(
    roles: Sequence[ServerRole], projects: Sequence[ProjectRecord], sub: str, groups: Sequence[str]
) -> dict[str, Role]:
    """The highest role of a person in each project by its id; a project without a role is left out."""
    role_by_project: dict[str, Role] = {}
    for role in roles:
        if sub in role.people or {*groups} & {*role.groups}:
            for project in counts_in(role, projects):
                if ROLES.index(role.role) >= ROLES.index(role_by_project.get(project, ROLES[0])):
                    role_by_project[project] = role.role
    return role_by_project


def counts_in(role: ServerRole, projects: Sequence[ProjectRecord]) -> list[str]:
    """The ids of the projects in which ``role`` counts."""
    ids, names, named = {record.id for record in projects}, Counter(map(name_of, projects)), {*role.projects}
    own = {name for name in named if names[name] == 1 and name not in ids}
    return [record.id for record in projects if {EVERY_PROJECT, record.id} & named or name_of(record) in own]


def role_faults(role: ServerRole, projects: Sequence[ProjectRecord]) -> Iterator[str]:
    """Each project that a role names and that gives it nothing, and what may be meant."""
    ids_by_name: dict[str, list[str]] = {}
    for record in projects:
        ids_by_name.setdefault(name_of(record), []).append(record.id)
    known = {EVERY_PROJECT, *(record.id for record in projects)}
    for name in (name for name in role.projects if name not in known):
        ids = ids_by_name.get(name, [])
        if len(ids) > 1:
            yield f"{len(ids)} projects are called {name!r}: name one by its id ({', '.join(ids)})"
        elif not ids:
            near = near_miss(name, ids_by_name, "; see their names: wfe-mcp project list")
            yield f"no project is called {name!r}{near}"
