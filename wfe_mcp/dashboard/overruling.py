"""The forms with which a person overrules an opinion gate: its reviewers rejected, or have not answered.

POST /overrule/<run>     with phase, reason and PIN; then the list again
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.fields import hidden, pin_field, refuse_pin, text_field
from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.engine.approvals import pin as pins
from wfe_mcp.engine.runs import control
from wfe_mcp.workspace.system.user import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request

    from wfe_mcp.dashboard.engines import Engines, OpenRun
    from wfe_mcp.dashboard.sessions import Sessions

_FORM = "overrule"


@dataclass(frozen=True, slots=True)
class Overruling:
    """The handler of the route, and the forms that lead to it."""

    engines: Engines
    sessions: Sessions
    asks_pin: bool = True

    def forms(self, runs: Sequence[OpenRun], session: str) -> list[Html]:
        """One form per phase whose opinion gate a person may overrule; none without such a phase."""
        return list(_forms(runs, lambda run: self.sessions.token(session, f"{_FORM} {run}")))

    def take(self, request: Request, form: Mapping[str, str], session: str) -> Response:
        """Overrule. Refuses what the engine refuses, and ``bad_argument`` for a run that is not shown."""
        refuse_pin(asks_pin=self.asks_pin)
        run = request.path_params["run"]
        self.sessions.expect(session, f"{_FORM} {run}", form, "decided")
        engine = self.engines.of_run(run)
        if engine is None:
            raise Refused("bad_argument", f"This database has no open run {run!r}.", "Reload the page.")
        by = pins.person_at_page(engine, form.get("pin", ""), user_name())
        control.overrule(engine, by, run, form.get("phase", ""), form.get("reason", ""))
        return RedirectResponse("/", 303)


def _forms(runs: Sequence[OpenRun], token: Callable[[str], str]) -> Iterator[Html]:
    for run in runs:
        for phase, why in run.overrulable:
            where = f"{run.id}-{phase}"
            yield tag(
                "form",
                tag("h2", f"Overrule the opinion gate of {phase} in {run.title} ({run.id})"),
                tag("p", why) if why else None,
                tag("p", "The reason stays visible. The gates after this one judge as usual."),
                hidden("token", token(run.id)),
                hidden("phase", phase),
                text_field("Reason", "reason", required=True),
                pin_field(f"pin-{where}"),
                tag("button", "Overrule", type="submit", class_="btn"),
                method="post",
                action=f"/overrule/{run.id}",
            )
