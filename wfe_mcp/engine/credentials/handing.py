"""What a check, a step and a delivery is handed of credentials that trusted configuration names."""

import base64
from collections.abc import Generator
from contextlib import contextmanager

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, RunId
from wfe_mcp.engine.credentials.kinds import targets
from wfe_mcp.engine.credentials.stored import Use, hand_out
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.step_call import StepCall
from wfe_mcp.jobs.handed import Handed, HandOut, handed
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.origins import origin_of

_FILE = "file:"


@dataclass(frozen=True, slots=True)
class Given:
    """The credentials of one check. ``variables``: values by name; ``files``: contents by the variable that names the file."""

    variables: dict[str, str]
    files: dict[str, str]


def given_to_check(engine: Engine, check: FrozenCheck, run: RunId | None, attempt: Attempt | None = None) -> Given:
    """What ``check`` of an attempt, or of no run, names in ``credentials``; each is an event of the run."""
    phase, number = (attempt.phase, attempt.number) if attempt is not None else ("", 0)
    opened = hand_out(engine, check.credentials, Use(f"check {check.name}", run, phase, number))
    found = Given({}, {})
    for name, wanted in check.credentials.items():
        given = opened[name]
        for part, target in targets(name, given.kind, given.values, wanted).items():
            place = found.files if target.startswith(_FILE) else found.variables
            place[target.removeprefix(_FILE)] = given.values[part]
    return found


def hand_to_check(engine: Engine, run: RunId | None, attempt: Attempt | None = None) -> HandOut:
    """Hands a check of this process what it names."""

    @contextmanager
    def hand(check: FrozenCheck) -> Generator[Handed]:
        given = given_to_check(engine, check, run, attempt)
        with handed(given.variables, given.files) as found:
            yield found

    return hand


def login_of(engine: Engine, call: StepCall, url: str) -> dict[str, str]:
    """The header with which an ``http`` step logs in at the origin of ``url``; none where configuration names no credential.

    Refuses as ``hand_out``.
    """
    logins = engine.settings().settings.http.logins.items()
    wanted = next((login for origin, login in logins if origin_of(origin) == origin_of(url) is not None), "")
    name, _, header = wanted.partition(" ")
    if not name:
        return {}
    use = Use(f"step {call.row.step}", call.run.id, call.attempt.phase, call.attempt.number)
    opened = hand_out(engine, [name], use)[name]
    if header:
        return {header: opened.value}
    if opened.kind.name == "basic_auth":
        both = f"{opened.values['username']}:{opened.value}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
    return {"Authorization": f"Bearer {opened.value}"}
