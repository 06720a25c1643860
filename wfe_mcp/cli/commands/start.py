"""``wfe-mcp start``: begin a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.views.envelope import Envelope

__all__ = ["Auto", "Driver", "Inputs", "Key", "Pairs", "Title", "begin", "fork", "start"]

Template = Annotated[str, typer.Argument(metavar="[TEMPLATE]", help="Its name: wfe-mcp templates list.")]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="RUN[@EVENT]",
        help="Instead of TEMPLATE: begin where a run stood, at an event of its log (12) or a checkpoint (cp-12), else at its last.",
    ),
]  # fmt: skip
Pairs = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help="One input; repeatable.")]
Inputs = Annotated[str, typer.Option("--inputs", metavar="JSON", help="All inputs as a JSON object, or @FILE.")]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="How lists call the run.")]
Auto = Annotated[bool | None, typer.Option("--auto/--no-auto", help="Go on by itself after each phase, or wait.")]
TriggeredBy = Annotated[
    str, typer.Option("--triggered-by", metavar="TEXT", help="What made you start it: a push, a schedule, an issue.")
]
ExternalId = Annotated[
    str, typer.Option("--external-id", metavar="TEXT", help="What the run is called there, such as a CI run's id.")
]
Driver = Annotated[
    str, typer.Option("--driver", metavar="ROLE", help="Who works the phases that an agent would: a configured role.")
]
Key = Annotated[str, typer.Option("--key", metavar="TEXT", help="The same key starts the same run once.")]


def start(
    door: Door, template: Template = "", pairs: Pairs = None, inputs: Inputs = "", title: Title = "", auto: Auto = None,
    key: Key = "", driver: Driver = "", triggered_by: TriggeredBy = "", external_id: ExternalId = "",
    origin: From = "", pin_fd: PinFd = None,
) -> None:  # fmt: skip
    """Start a run of TEMPLATE in this project, or one that begins where another run stood (--from).

    What policy.templates keeps from agents asks for your PIN, and so does a fork from before something that a person stopped.
    """
    told = {"triggered_by": triggered_by, "external_id": external_id}
    if origin:
        given = {"TEMPLATE": template, "--input": pairs, "--inputs": inputs, "--auto": auto is not None, "--driver": driver, **told}  # fmt: skip
        _refuse_beside(given)
        door.tell(fork(door, origin, title, key=key, pin_fd=pin_fd))
        return
    if not template:
        raise typer.BadParameter("name a template, or a run to begin from: --from RUN@EVENT", param_hint="TEMPLATE")
    door.tell(begin(door, template, pairs, inputs, title, auto=auto, key=key, driver=driver, pin_fd=pin_fd, **told))


def fork(door: Door, origin: str, title: str, *, key: str, pin_fd: int | None) -> "Envelope":
    """Create the run that begins where another one stood. ``origin``: ``RUN``, ``RUN@12`` or ``RUN@cp-12``."""
    from dataclasses import replace

    from wfe_mcp.engine.history.forks import fork_run
    from wfe_mcp.views import tool_answers as answers

    run, _, at = origin.partition("@")
    run = door.at(run)

    def begin_there(by: "By") -> "LoadedRun":
        return fork_run(door.engine, by, run, at, title=title, idempotency_key=key or None)

    made = door.as_needed(begin_there, pin_fd, f"start --from {origin}")
    found = made.state.origin
    assert found is not None, "it was forked"
    answer = answers.status(door.engine, door.by, made.record.id)
    door.run = made.record.id
    begun = f"Run {made.record.id} begins where {found.run} stood after event {found.seq}"
    data = answer.data | {"forked_from": {"run": found.run, "event": found.seq, "hash": found.hash}}
    return replace(answer, summary=f"{begun}. {answer.summary}", data=data)


def _refuse_beside(given: Mapping[str, object]) -> None:
    """A fork takes all of this from the run that it begins from."""
    for name, value in given.items():
        if value:
            raise typer.BadParameter(f"{name} is that of the run it begins from; leave it out", param_hint="--from")


def begin(
    door: Door, template: str, pairs: Sequence[str] | None, inputs: str, title: str, *, auto: bool | None, key: str,
    driver: str, pin_fd: int | None, **origin: str,
) -> "Envelope":  # fmt: skip
    """Create the run that a command line describes. ``origin``: what it was triggered by, and its id there."""
    from wfe_mcp.engine.runs.start import is_for_people
    from wfe_mcp.views import tool_answers as answers

    given = _object(inputs) | _pairs(door, template, pairs or [])
    asks = pin_fd is not None or is_for_people(door.engine, door.engine.settings(), template)
    by = door.person(pin_fd, f"start {template}") if asks else door.by
    return answers.start_run(
        door.engine, by, template, given, title, driver, auto=auto, idempotency_key=key, **origin
    )  # fmt: skip


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
        raise typer.BadParameter(f"this is no JSON that can be kept: {why}", param_hint="--inputs") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"a JSON object is expected, not {text[:40]!r}", param_hint="--inputs")
    return cast("dict[str, Any]", value)


def _of_file(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most_bytes)


def _pairs(door: Door, template: str, pairs: Sequence[str]) -> dict[str, Any]:
    """``name=value``: text stays text where the template wants text; elsewhere it is read as JSON when it is JSON."""
    if not pairs:
        return {}
    from wfe_mcp.engine.templates.catalogue import template_definition

    schema: dict[str, Any] = template_definition(door.engine, template).definition.get("inputs", {})
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"NAME=VALUE is expected, not {pair!r}", param_hint="--input")
        found[name] = _value(text, schema.get("properties", {}).get(name, {}).get("type"))
    return found


def _value(text: str, wanted: object) -> object:
    if wanted == "string":
        return text
    from wfe_mcp.artifacts.parse import parse_json

    try:
        return parse_json(text)
    except Refused:
        return text
