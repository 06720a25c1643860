"""What a check, a step and a delivery is handed of credentials that trusted configuration names."""

import base64
from collections.abc import Generator
from contextlib import contextmanager

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, RunId
from wfe_mcp.engine.credentials.kinds import targets
from wfe_mcp.engine.credentials.stored import CredentialUse, hand_out
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.step_call import StepCall
from wfe_mcp.jobs.handed import HandedVariables, HandOut, hand_variables
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.origins import origin_of

_FILE = "file:"


@dataclass(frozen=True, slots=True)
class HandedCredentials:
    """The credentials of one check. ``variables``: values by name; ``files``: contents by the variable that names the file."""

    variables: dict[str, str]
    files: dict[str, str]


def given_to_check(
    engine: Engine, check: FrozenCheck, run: RunId | None, attempt: Attempt | None = None
) -> HandedCredentials:
    """What ``check`` of an attempt, or of no run, names in ``credentials``; each is an event of the run."""
    phase, number = (attempt.phase, attempt.number) if attempt is not None else ("", 0)
    opened = hand_out(engine, check.credentials, CredentialUse(f"check {check.name}", run, phase, number))
    credentials = HandedCredentials({}, {})
    for name, credential in check.credentials.items():
        secret = opened[name]
        for part, target in targets(name, secret.kind, secret.values, credential).items():
            place = credentials.files if target.startswith(_FILE) else credentials.variables
            place[target.removeprefix(_FILE)] = secret.values[part]
    return credentials


def hand_to_check(engine: Engine, run: RunId | None, attempt: Attempt | None = None) -> HandOut:
    """Hands a check of this process what it names."""

    @contextmanager
    def hand(check: FrozenCheck) -> Generator[HandedVariables]:
        credentials = given_to_check(engine, check, run, attempt)
        with hand_variables(credentials.variables, credentials.files) as variables:
            yield variables

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
    use = CredentialUse(f"step {call.row.step}", call.run.id, call.attempt.phase, call.attempt.number)
    opened = hand_out(engine, [name], use)[name]
    if header:
        return {header: opened.value}
    if opened.kind.name == "basic_auth":
        both = f"{opened.values['username']}:{opened.value}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
    return {"Authorization": f"Bearer {opened.value}"}
