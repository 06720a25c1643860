"""Who can decide in a project of a server: by role, by pinned passkey, and whom a request was handed to.

    role approver ──► a passkey of theirs, pinned there, made at this address ──► has not approved this request yet

Rules:
1. It says what a decision would find, and gives no right: each decision is checked by itself (``approvals/decide.py``).
2. Roles are those of a person's last login.
3. A request that was handed to a person who can decide is theirs alone in inboxes and messages; while they are away it is their deputy's.
"""

from collections.abc import Iterable, Mapping, Sequence

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.core.units import join_names
from wfe_mcp.engine.access.people import ROLE_FOR, Login, People
from wfe_mcp.engine.access.tokens import Scope
from wfe_mcp.engine.approvals.approvers import Signer, person_named, pinned_here, requested_keys
from wfe_mcp.engine.approvals.passkeys import Site
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.people.absence import Absence, absences, acting_for
from wfe_mcp.workspace.config.server_table import ROLES, Role

MOST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Deciders:
    """The people of one project. ``roles``: by name; ``keys``: the names of those with a passkey that counts; ``waiting``: of
    those whose passkey waits to be pinned.
    """

    roles: Mapping[str, Role]
    keys: frozenset[str]
    away: Mapping[str, Absence]
    waiting: frozenset[str] = frozenset()

    def having(self, role: Role) -> tuple[str, ...]:
        """Who has at least ``role``."""
        return tuple(name for name, own_role in self.roles.items() if ROLES.index(own_role) >= ROLES.index(role))

    def able(self, approvals: Sequence[str] = ()) -> tuple[str, ...]:
        """Who can decide. ``approvals``: the people who have approved already, where several do."""
        return tuple(
            name for name in self.having("approver") if name in self.keys and person_named(name) not in approvals
        )

    def whose(self, approvals: Sequence[str], to: str = "", present: str = "") -> tuple[str, ...]:
        """Whose a request is now: who got it, or their deputy, else who can decide and is there; else all who can.

        ``to``: whom it was handed to. ``present``: who is there, whatever they said.
        """
        able, away = self.able(approvals), {name: absence for name, absence in self.away.items() if name != present}
        got = acting_for(to, away) if to in able else ""
        here = (acting_for(name, away) for name in able)
        return (got,) if got in able else tuple(dict.fromkeys(name for name in here if name in able)) or able

    def subject_of(self, names: Sequence[str]) -> str:
        """The names as the subject of a sentence, each with their absence."""
        away = self.away
        return join_names([f"{name} ({away[name].text})" if name in away else name for name in names]) or "No one"

    def who_can(self, approvals: Sequence[str] = ()) -> str:
        """Who can decide, as a sentence. ``approvals``: as for ``able``."""
        able = self.able(approvals)
        return f"{self.subject_of(able)} can decide it." if able else "No one can decide it yet."


NO_ONE = Deciders({}, frozenset(), {})
"""Of a project whose folder is gone."""


def deciders(engine: Engine, people: People) -> Deciders:
    """The people of the project of ``engine``."""
    with engine.store.read() as tx:
        roles: dict[str, Role] = {
            name: role[engine.project_id] for name, role in people.roles(tx).items() if engine.project_id in role
        }
        away = absences(tx, engine.clock())
    try:
        pinned = pinned_here(engine, engine.root).passkeys.values()
    except Refused:
        pinned = ()
    site = Site(people.origin)
    keys = frozenset(name for name in roles for key in pinned if Signer(site, name).has(key))
    return Deciders(roles, keys, away, frozenset(key.name for key in requested_keys(engine).values()))


def lacks_role(engine: Engine, people: People, login: Login, approvals: Sequence[str] = ()) -> str:
    """Why ``login`` decides nothing in the project of ``engine``, and who can; empty where they have the role."""
    project = engine.project_id
    if login.is_("approver", project):
        return ""
    needs = "To decide needs the role approver, which [server.roles] of the server gives."
    return f"Your role here is {login.roles[project]}. {needs} {deciders(engine, people).who_can(approvals)}"


def deputy_fault(teams: Iterable[Deciders], name: str, to: str) -> str:
    """Why ``to`` decides nothing in place of ``name``, and what to do; empty where they do, or ``name`` decides nothing.

    ``teams``: of all projects. A deputy is recorded all the same: the right to decide may come later.
    """
    shared = [team for team in teams if name in team.having("approver")]
    if not to or not shared or any(to in team.able() for team in shared):
        return ""
    known = [team for team in shared if to in team.roles]
    # The nearest to deciding says what is missing there.
    why = _lacks(max(known, key=lambda team: ROLES.index(team.roles[to])), to) if known else "has no role there"
    able = sorted({person for team in shared for person in team.able() if person != name})
    others = f", or name another deputy ({', '.join(able)})" if able else ""
    return f"{to} can decide nothing that {name} can: {to} {why}. Change that{others}."


def role_refused(people: People, login: Login, project: str, needs: Scope) -> Refused:
    """That the role of ``login`` in ``project`` (empty: in any) does not include ``needs``, and who has one that does."""
    highest = max(login.roles.values(), key=ROLES.index, default=ROLES[0])
    role, wanted = login.roles.get(project, ROLES[0]) if project else highest, ROLE_FOR[needs]
    with people.engine.store.read() as tx:
        held = people.roles(tx) if project in login.roles else {}
    least = ROLES.index(wanted)
    able = [name for name, roles in held.items() if project in roles and ROLES.index(roles[project]) >= least]
    who = f"{join_names(able)} can do it." if able else "Ask an admin of the project."
    return Refused("forbidden", f"This needs the role {wanted}; yours is {role}.", who)


def hand_over(engine: Engine, people: People, giver: Login | By, request: str, to: str, note: str = "") -> None:
    """Hand an open request of the project of ``engine`` to the person ``to``. ``giver``: a person there, or the terminal of the server.

    Refuses ``bad_argument`` (no such person in the project, or the note is too long), ``forbidden`` (the giver does not decide
    there, or ``to`` cannot) and ``stale_revision`` (it takes no answer).
    """
    by = giver if isinstance(giver, By) else giver.person.by
    if not isinstance(giver, By) and not giver.is_("approver", engine.project_id):
        role = giver.roles.get(engine.project_id, "person without a role")
        raise Refused("forbidden", f"A {role} hands no decision on; it needs the role approver.", "Ask an approver.")
    team, now = deciders(engine, people), engine.clock()
    with engine.store.read() as tx:
        asked = tx.approvals.get(request)
    is_over = asked is not None and asked.expires_at is not None and asked.expires_at <= now
    if asked is None or asked.status != "open" or is_over:
        raise Refused("stale_revision", f"The request {request} is closed.", "Look at it again: nothing was handed on.")
    if to not in team.roles:
        hint = nearest_hint(to, [*team.able()], f"Who can decide there: {', '.join(team.able()) or 'no one yet'}.")
        raise Refused("bad_argument", f"No one called {to[:80]!r} has a role in this project.", hint)
    if len(note) > MOST_NOTE:
        raise Refused("bad_argument", f"The note has {len(note)} characters.", f"At most {MOST_NOTE}.")
    with change_run(engine, asked.run_id, by) as current:
        able = team.able(current.attempt(asked.phase).approvals)
        if to not in able:
            why = "has approved it already" if to in team.able() else _lacks(team, to)
            raise Refused(
                "forbidden", f"{to} cannot decide it: {to} {why}.", f"Who can: {', '.join(able) or 'no one'}."
            )
        current.give(
            c.HandOver(phase=asked.phase, request=request, to=to, giver=by.actor, note=note.strip(), **current.given)
        )


def _lacks(found: Deciders, name: str) -> str:
    if name not in found.having("approver"):
        return f"has the role {found.roles[name]}, and needs approver"
    return "has no passkey of this address that is pinned in the project"
