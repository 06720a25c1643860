"""``wfe-mcp start``: start a run of a template, or fork one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Pairs, PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.views.moves.envelope import Envelope

Template = Annotated[
    str,
    typer.Argument(
        metavar="[TEMPLATE]", help="Its name (wfe-mcp templates list); the default template when it is left out."
    ),
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="RUN[@EVENT]",
        help="Instead of TEMPLATE: fork a run at an event of its log (12) or a checkpoint (cp-12), else at its last event.",
    ),
]
Inputs = Annotated[str, typer.Option("--inputs", metavar="JSON", help="All inputs as a JSON object, or @FILE.")]
Title = Annotated[
    str, typer.Option("--title", metavar="TEXT", help="What the run is about, for lists; else its inputs say it.")
]
Auto = Annotated[bool | None, typer.Option("--auto/--no-auto", help="Continue after each phase, or wait for proceed.")]
TriggeredBy = Annotated[
    str, typer.Option("--triggered-by", metavar="TEXT", help="What triggered the run: a push, a schedule, an issue.")
]
ExternalId = Annotated[
    str, typer.Option("--external-id", metavar="TEXT", help="The id of the trigger, such as that of a CI run.")
]
Driver = Annotated[
    str, typer.Option("--driver", metavar="ROLE", help="A configured role that works in place of the agent.")
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=NAME",
        help="Who works as a role of the template: a configured role, a provider, or PROVIDER/MODEL; repeatable.",
    ),
]
Key = Annotated[str, typer.Option("--key", metavar="TEXT", help="Idempotency key: the same key starts one run.")]


def start(
    invocation: Invocation,
    template: Template = "",
    pairs: Pairs = None,
    inputs: Inputs = "",
    title: Title = "",
    auto: Auto = None,
    key: Key = "",
    driver: Driver = "",
    roles: Roles = None,
    triggered_by: TriggeredBy = "",
    external_id: ExternalId = "",
    origin: From = "",
    pin_fd: PinFd = None,
) -> None:
    """Start a run.

    --from forks another run. A template that policy.templates reserves for people asks for your PIN, and so does a fork
    from before a stop by a person.
    """
    origins = {"triggered_by": triggered_by, "external_id": external_id}
    if origin:
        options = {
            "TEMPLATE": template,
            "--input": pairs,
            "--inputs": inputs,
            "--auto": auto is not None,
            "--driver": driver,
            "--role": roles,
            **origins,
        }
        _refuse_beside(options)
        answer = fork(invocation, origin, title, key=key, pin_fd=pin_fd)
        invocation.render(answer, lambda screen: _render(invocation, screen, answer))
        return
    answer = begin(
        invocation,
        template,
        pairs,
        inputs,
        title,
        auto=auto,
        key=key,
        driver=driver,
        roles=roles,
        pin_fd=pin_fd,
        **origins,
    )
    invocation.render(answer, lambda screen: _render(invocation, screen, answer))


def _render(invocation: Invocation, screen: Screen, answer: "Envelope") -> None:
    from wfe_mcp.cli.terminal.render import AGENT_GOES_ON, next_lines, unusual
    from wfe_mcp.views.runs.models import RunView

    record = invocation.record(answer.run)
    if record is None or answer.run is None:
        screen.line(answer.summary, "bold")
        return
    forked = answer.view_as(RunView).forked_from
    how = f", forked from {forked.run} at event {forked.event}" if forked else ""
    screen.line(f'Started {record.id} "{record.title}" ({record.template} {record.template_version}{how}).', "bold")
    overview = invocation.overview(answer.run)
    phases = {phase["id"]: phase for phase in overview.plan.definition.get("phases", [])}
    rows = [
        (path, overview.loaded.state.current(path).status, _gates(phases.get(path, {})))
        for path in overview.loaded.state.attempts
    ]
    screen.table((), rows, "  ", state_at=1)
    unusual(screen, answer)
    screen.next(*([AGENT_GOES_ON] if answer.waiting_on == "agent" else next_lines(answer)))


def _gates(phase: Mapping[str, Any]) -> str:
    kinds = ["your approval" if gate["kind"] == "approval" else _gate(gate) for gate in phase.get("gates", [])]
    return f"gate{'s' if len(kinds) > 1 else ''}: {', '.join(kinds)}" if kinds else ""


def _gate(gate: Mapping[str, Any]) -> str:
    if gate["kind"] != "command":
        return str(gate["kind"])
    must = "fail" if gate.get("expect", {}).get("exit_code") == "nonzero" else "pass"
    return f"check {gate.get('check', '')} must {must}"


def fork(invocation: Invocation, origin: str, title: str, *, key: str, pin_fd: int | None) -> "Envelope":
    """Create a run from the state of another one. ``origin``: ``RUN``, ``RUN@12`` or ``RUN@cp-12``."""
    from wfe_mcp.engine.history.forks import fork_run
    from wfe_mcp.views.answers.tool_answers import forked_answer

    run, _, at = origin.partition("@")
    run = invocation.resolve_run(run)

    def begin_there(by: "By") -> "LoadedRun":
        return fork_run(invocation.engine, by, run, at, title=title, idempotency_key=key or None)

    loaded = invocation.as_needed(begin_there, pin_fd, f"start --from {origin}")
    invocation.run = loaded.record.id
    return forked_answer(invocation.engine, invocation.by, loaded)


def _refuse_beside(given: Mapping[str, object]) -> None:
    """A fork takes all of this from its origin."""
    for name, value in given.items():
        if value:
            raise typer.BadParameter(f"{name} comes from the forked run; leave it out", param_hint="--from")


def begin(
    invocation: Invocation,
    template: str,
    pairs: Sequence[str] | None,
    inputs: str,
    title: str,
    *,
    auto: bool | None,
    key: str,
    driver: str,
    pin_fd: int | None,
    roles: Sequence[str] | None = None,
    **origin: str,
) -> "Envelope":
    """Create the run that a command line describes. ``origin``: its trigger and external id."""
    from wfe_mcp.engine.runs.start import is_for_people
    from wfe_mcp.engine.templates.catalogue import default_template
    from wfe_mcp.views.answers import tool_answers as answers

    template = template or default_template(invocation.engine)  # once: the PIN below is for this one
    values = _object(inputs) | pairs_of(invocation, template, pairs or [])
    asks = pin_fd is not None or is_for_people(invocation.engine, invocation.engine.settings(), template)
    by = invocation.person(pin_fd, f"start {template}") if asks else invocation.by
    try:
        return answers.start_run(
            invocation.engine,
            by,
            template,
            values,
            title,
            driver,
            auto=auto,
            idempotency_key=key,
            roles=_roles(roles or []),
            **origin,
        )
    except Refused as no:
        names = dict.fromkeys(at.path.split("/")[2] for at in no.details if at.path.startswith("/inputs/"))
        if not names:
            raise
        if inputs:
            raise Refused(no.code, no.message, "Correct --inputs JSON, then start it again.", no.details) from None
        known = _schemas_of(invocation, template)
        needed = " ".join(f"-i {name}=VALUE" for name in names if name in known)
        unknown = " ".join(f"-i {name}" for name in names if name not in known)
        again = " and ".join(f"{how} {text}" for how, text in (("with", needed), ("without", unknown)) if text)
        raise Refused(no.code, no.message, f"Start it again {again}.", no.details) from None


def _schemas_of(invocation: Invocation, template: str) -> dict[str, dict[str, Any]]:
    """The schema of each input of a template."""
    from wfe_mcp.engine.templates.catalogue import template_definition
    from wfe_mcp.workflow.load import input_schemas

    return input_schemas(template_definition(invocation.engine, template).definition.get("inputs", {}))


def _roles(given: Sequence[str]) -> dict[str, str]:
    """``ROLE=NAME``, each role once."""
    names_by_role: dict[str, str] = {}
    for pair in given:
        role, _, name = pair.partition("=")
        if not role or not name or role in names_by_role:
            what = f"{role!r} is named twice" if role in names_by_role else f"ROLE=NAME is expected, not {pair!r}"
            raise typer.BadParameter(what, param_hint="--role")
        names_by_role[role] = name
    return names_by_role


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    from wfe_mcp.artifacts.parse import MAX_BYTES, parse_json

    try:
        value = parse_json(_of_file(Path(text[1:]), MAX_BYTES + 1) if text.startswith("@") else text)
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]} cannot be read: {error.strerror}", param_hint="--inputs") from None
    except Refused as no:
        why = no.details[0].message if no.details else no.message
        hint = "" if text[0] in "@{" else "; a file is named as @FILE"
        raise typer.BadParameter(f"invalid JSON: {why}{hint}", param_hint="--inputs") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"a JSON object is expected, not {text[:40]!r}", param_hint="--inputs")
    return cast("dict[str, Any]", value)


def _of_file(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most_bytes)


def pairs_of(invocation: Invocation, template: str, pairs: Sequence[str]) -> dict[str, Any]:
    """``name=value``: text where the template expects text; elsewhere JSON if it parses as JSON."""
    if not pairs:
        return {}
    known = _schemas_of(invocation, template)
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"NAME=VALUE is expected, not {pair!r}", param_hint="--input")
        name = name.replace("-", "_")  # no input has a dash; many people type one
        values[name] = _value(text, known.get(name, {}).get("type"))
    return values


def _value(text: str, wanted: object) -> object:
    if wanted == "string":
        return text
    from wfe_mcp.artifacts.parse import parse_json

    try:
        return parse_json(text)
    except Refused:
        return text
