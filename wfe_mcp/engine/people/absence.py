"""That a person is away until a day, and who decides for them meanwhile.

    person-away:<person>   JSON: until, a date, and to, a name or empty     in the settings log, as PersonAway or PersonBack

Rules:
1. An absence ends by itself with the beginning of its day (UTC), or when it is taken back.
2. Each person says it of themselves; an admin says it of who has a role in a project of theirs, the terminal of everyone.
3. It takes no one's right to decide. A deputy gets none: they can decide already (``deciders.py``).
"""

from datetime import date, datetime, timedelta

from wfe_mcp.artifacts.typed import as_text, from_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.engine.access.people import Login, People, known_as
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx

MOST_DAYS = 366
AWAY, BACK = "PersonAway", "PersonBack"
"""Types of entries of the settings log."""

_AWAY = "person-away:"


@dataclass(frozen=True, slots=True)
class Absence:
    """A person is away until the beginning of a day; ``to``: their deputy, empty for no one."""

    name: str
    until: date
    to: str = ""

    @property
    def text(self) -> str:
        """``away until 2026-12-01, deputy bob``."""
        return f"away until {self.until}{f', deputy {self.to}' if self.to else ''}"


def go_away(engine: Engine, by: By, name: str, until: str, to: str = "") -> Absence:
    """Record that the person ``name`` is away. Refuses ``bad_argument``: a name, or a day that is none or is not to come."""
    now = engine.clock()
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise Refused("bad_argument", f"{until[:40]!r} is no day.", f"Such as {_day(now, 7)}.") from None
    if not _day(now, 1) <= day <= _day(now, MOST_DAYS):
        raise Refused(
            "bad_argument",
            f"{day} is too early or too late: any day from {_day(now, 1)} to {_day(now, MOST_DAYS)} can be named.",
            "Name the day of the return.",
        )
    with engine.store.tx() as tx:
        person, deputy = known_as(tx, name), known_as(tx, to) if to else None
        if deputy == person:
            raise Refused("bad_argument", f"{person.name} cannot be their own deputy.", "Name another person.")
        absence = Absence(person.name, day, deputy.name if deputy else "")
        tx.secrets.set(_AWAY + person.row, as_text(absence), by, now)
        tx.settings_log.note(AWAY, f"{absence.name} {absence.text}", by, now)
    return absence


def come_back(engine: Engine, by: By, name: str) -> None:
    """End the absence of the person ``name``. Refuses ``bad_argument``: no such person."""
    with engine.store.tx() as tx:
        person, now = known_as(tx, name), engine.clock()
        if tx.secrets.get(_AWAY + person.row) is not None:
            tx.secrets.set(_AWAY + person.row, None, by, now)
            tx.settings_log.note(BACK, person.name, by, now)


def refuse_strangers(people: People, login: Login, name: str, to: str = "") -> None:
    """Refuse that ``login`` says of ``name`` that they are away, with ``to`` in their place.

    ``bad_argument``: they share no project, so they do not exist for each other; ``forbidden``: only an admin says it of others.
    """
    with people.engine.store.read() as tx:
        roles = people.roles(tx)
    seen = [person for person, role in roles.items() if {*role} & {*login.roles}]
    for person in filter(None, (name, to)):
        if person not in seen:
            hint = nearest_hint(person, seen, "Name a person of a project of yours.")
            raise Refused("bad_argument", f"No one called {person[:80]!r} has a role in a project of yours.", hint)
    if name != login.person.name and not any(login.is_("admin", project) for project in roles[name]):
        raise Refused("forbidden", f"You say only of yourself that you are away, and not of {name}.", "Ask an admin.")


def absences(tx: Tx, now: datetime) -> dict[str, Absence]:
    """Who is away now, by name."""
    every = [from_text(text, Absence) for text in tx.secrets.with_prefix(_AWAY).values()]
    return {absence.name: absence for absence in every if now.date() < absence.until}


def acting_for(name: str, away: dict[str, Absence]) -> str:
    """Who acts for ``name`` now: they, or the first of their deputies who is there; empty where no one is."""
    seen = set[str]()
    while name in away and name not in seen:
        seen.add(name)
        name = away[name].to
    return "" if name in seen else name


def _day(now: datetime, days: int) -> date:
    return (now + timedelta(days=days)).date()
