"""``wfe-mcp providers``: configure models, their keys and the roles that they fill."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.config.provider_kinds import KINDS, as_kind, facts_of, installed_kind

if TYPE_CHECKING:
    from wfe_mcp.engine.models.discovery import ProviderTrial
    from wfe_mcp.engine.models.providers import ProviderLine

Name = Annotated[str, typer.Argument(metavar="NAME", help="The provider.")]
NewName = Annotated[str, typer.Argument(metavar="[NAME]", help="Its name; without it this machine is searched.")]
Who = Annotated[str, typer.Argument(metavar="NAME", help="A provider or a role.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Its API or program, where NAME is not one.")]
BaseUrl = Annotated[str, typer.Option("--base-url", metavar="URL", help="An address other than the vendor's.")]
Place = Annotated[
    str,
    typer.Option(
        "--key", metavar="PLACE", help="Where its key is: env:NAME, keyring, or stored (encrypted in the database)."
    ),
]
KeyFd = Annotated[
    int | None,
    typer.Option("--key-fd", metavar="N", help="Read the key from file descriptor N instead of asking for it."),
]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="The model to ask.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help="The role, as templates name it.")]
Filler = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider that fills it.")]
ItsModel = Annotated[str, typer.Argument(metavar="[MODEL]", help="The provider's name of the model.")]
Fallback = Annotated[
    list[str] | None,
    typer.Option(
        "--fallback", metavar="NAME", help="Used when it is unavailable: a role or PROVIDER/MODEL; repeatable."
    ),
]


def list_all(invocation: Invocation) -> None:
    """List providers and roles, and whether each is usable.

    No key is shown, no model is called.
    """
    from wfe_mcp.engine.models.providers import list_providers, roles

    providers, filled = list_providers(invocation.engine), roles(invocation.engine)
    usable = sum(line.is_usable for line in providers)
    summary = f"{usable} of {plural(len(providers), 'provider')} usable, {plural(len(filled), 'role')}."
    data = {"providers": [_view(line) for line in providers], "roles": [asdict(model_role) for model_role in filled]}

    def render(screen: Screen) -> None:
        screen.table(
            ("provider", "kind", "state", "key", "from", "address, program or package"),
            [(line.name, line.kind, line.state, _key(line), line.layer, line.where) for line in providers],
        )
        if filled:
            screen.line()
            screen.table(
                ("role", "provider", "model", "fallback", "from"),
                [
                    (
                        model_role.name,
                        model_role.provider,
                        model_role.model,
                        ", ".join(model_role.fallback),
                        model_role.layer,
                    )
                    for model_role in filled
                ],
            )
        for model_role in filled:
            if model_role.fault:
                screen.line(f"! {model_role.name}: {model_role.fault}", "yellow")
        screen.line(summary)

    invocation.answer(summary, render, data=data)


def add(
    invocation: Invocation,
    name: NewName = "",
    kind: Kind = "",
    base_url: BaseUrl = "",
    place: Place = "",
    key_fd: KeyFd = None,
) -> None:
    """Add a provider to your configuration, or search this machine.

    The file never has the key.
    """
    from wfe_mcp.engine.models.discovery import models_of
    from wfe_mcp.engine.models.providers import add as add_provider

    if not name:
        _render_found(invocation)
        return
    table = _table(name, kind, base_url)
    secret = _key_wanted(invocation, name, table, place, key_fd)
    line = add_provider(invocation.engine, invocation.by, name, table, secret)
    with invocation.screen.busy("Listing its models"):
        trial = models_of(invocation.engine, name)
    models, fault = ((), "") if trial is None else (trial.models, "" if trial.ok else trial.message)
    summary = f"Added provider {name} to your configuration" + (
        f"; it has {plural(len(models), 'model')}." if models else "."
    )
    summary += f" Test: wfe-mcp providers test {name}"

    def render(screen: Screen) -> None:
        for model in models:
            screen.line(f"  {model}")
        screen.line(summary)
        if fault:
            screen.line(f"! {fault}", "yellow")

    invocation.answer(summary, render, data={"provider": _view(line), "models": list(models), "fault": fault})


def try_out(invocation: Invocation, name: Who, model: Model = "") -> None:
    """Test a provider or role with one small call.

    Exit code 1 says what is wrong.
    """
    from wfe_mcp.engine.models.discovery import try_out as try_provider

    with invocation.screen.busy(f"Asking {name}"):
        tried = try_provider(invocation.engine, name, model)
    error = None if tried.ok else Refused("unavailable", tried.message, tried.hint)
    invocation.answer(
        tried.message,
        lambda screen: _render_tried(screen, tried),
        data={"tried": asdict(tried) | {"ok": tried.ok}},
        error=error,
    )


def enable(invocation: Invocation, name: Name) -> None:
    """Enable a provider."""
    from wfe_mcp.engine.models.providers import turn

    _render_line(invocation, turn(invocation.engine, name, on=True), f"Enabled provider {name}.")


def disable(invocation: Invocation, name: Name) -> None:
    """Disable a provider, also in open runs."""
    from wfe_mcp.engine.models.providers import turn

    _render_line(invocation, turn(invocation.engine, name, on=False), f"Disabled provider {name}.")


def remove(invocation: Invocation, name: Name) -> None:
    """Remove a provider from your configuration, and its stored key."""
    from wfe_mcp.engine.models.providers import remove as take_out

    gone = take_out(invocation.engine, invocation.by, name)
    summary = f"Removed provider {name}" + (" and its key." if gone.key else ".")
    summary += f" These roles still name it: {', '.join(gone.roles)}." if gone.roles else ""
    invocation.answer(summary, data={"provider": name, "key": gone.key, "roles": list(gone.roles)})


def key(invocation: Invocation, name: Name, place: Place = "", key_fd: KeyFd = None) -> None:
    """Set the key of a provider, or where it is."""
    from wfe_mcp.engine.models.providers import give_key, line_of
    from wfe_mcp.engine.models.secrets import key_place

    before = line_of(invocation.engine, name).key
    place = _checked_place(place or (before if before in {"keyring", "stored"} else "keyring"))
    secret = None if place.startswith("env:") else _read_key(name, key_fd)
    _render_line(
        invocation,
        give_key(invocation.engine, invocation.by, name, place, secret),
        f"The key of provider {name} {key_place(place)}.",
    )


def role(
    invocation: Invocation, name: RoleName, provider: Filler, model: ItsModel = "", fallback: Fallback = None
) -> None:
    """Fill a role with a provider and a model, in your configuration."""
    from wfe_mcp.engine.models.providers import set_role

    model_role = set_role(invocation.engine, name, provider, model, fallback)
    summary = f"Role {name}: {model_role.provider}" + (f" {model_role.model}" if model_role.model else "") + "."
    if model_role.provider != provider or model_role.model != model:
        summary += " The project's configuration takes precedence over yours."
    summary += f" Not usable yet: {model_role.fault}" if model_role.fault else ""
    _answer_with_trust(invocation, summary, {"role": asdict(model_role)})


def _answer_with_trust(invocation: Invocation, summary: str, data: dict[str, Any]) -> None:
    """Answer; where your own configuration waits for your trust, say so: reviewers do not count before."""
    loaded = invocation.engine.settings()
    waits = bool(loaded.unsigned or loaded.unsigned_reviewers)
    trust = "wfe-mcp trust own"

    def render(screen: Screen) -> None:
        screen.line(summary)
        if waits:
            screen.line("As a reviewer it counts once you trust your own configuration.")
            screen.next(trust)

    invocation.answer(summary, render, data=data | ({"next": trust} if waits else {}))


def _table(name: str, kind: str, base_url: str) -> dict[str, Any]:
    """The table to write: the kind as given, else as named, else of the program that answers on this machine."""
    kind = kind or (name if name in KINDS else "")
    if installed_kind(kind) is not None:  # the package is checked where the table is written
        return {"kind": kind} | ({"base_url": base_url} if base_url else {})
    if not base_url and kind in {"", "openai-compatible"}:
        base_url = _found_address(name)
    if kind not in KINDS and (kind or not base_url):
        what = (
            f"There is no kind '{kind}'."
            if kind
            else f"'{name}' is not a kind of provider, and no program of this name answers on this machine."
        )
        kinds = f"{' | '.join(KINDS)}, or what a package brings, such as acme.models"
        raise Refused("bad_argument", what, f"Say which kind it is: --kind {kinds}")
    return {"kind": kind or "openai-compatible"} | ({"base_url": base_url} if base_url else {})


def _found_address(name: str) -> str:
    """The address of the program of this name on this machine; empty without one."""
    from wfe_mcp.providers.probing import find_local

    addresses = {_plain(server.name): server.base_url for server in find_local()}
    return addresses.get(_plain(name), "")


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "").replace("_", "")


def _key_wanted(invocation: Invocation, name: str, table: dict[str, Any], place: str, key_fd: int | None) -> str | None:
    """The key to keep, its place written into ``table``; None where a variable holds it or none is needed."""
    from wfe_mcp.engine.models.connections import needs_key

    kind = as_kind(table["kind"])
    variable = facts_of(kind).variable
    if not place and key_fd is None:
        if not needs_key(kind):
            return None
        place = f"env:{variable}" if variable and invocation.engine.environment.get(variable) else ""
    table["key"] = _checked_place(place or "keyring")
    return None if table["key"].startswith("env:") else _read_key(name, key_fd)


def _checked_place(place: str) -> str:
    if place in {"keyring", "stored"} or place.startswith("env:"):
        return place
    raise Refused(
        "bad_argument",
        "--key says where the key is, never the key itself: env:NAME, keyring or stored.",
        "If that was a key, it is in your shell's history now: create a new one, and enter it at the prompt.",
    )


def _read_key(name: str, key_fd: int | None) -> str:
    from wfe_mcp.cli.terminal.pin import read_key

    api_key = read_key(key_fd, name)
    if not api_key:
        raise Refused(
            "needs_human",
            f"Provider '{name}' needs a key.",
            "Enter it in a terminal of your own, pass it with --key-fd N, or name a variable: --key env:NAME",
        )
    return api_key


def _render_found(invocation: Invocation) -> None:
    """The model servers and command-line agents of this machine, with the command that adds each."""
    from wfe_mcp.engine.models.discovery import installed_agents
    from wfe_mcp.providers.probing import find_local

    with invocation.screen.busy("Searching this machine"):
        servers, agents = find_local(), installed_agents(invocation.engine)
    summary = (
        f"Found {plural(len(servers), 'model server')} and {plural(len(agents), 'command-line agent')} on this machine."
    )
    data = {"servers": [asdict(local) for local in servers], "agents": [asdict(entry) for entry in agents]}

    def render(screen: Screen) -> None:
        for server in servers:
            more = "needs a key" if server.needs_key else plural(len(server.models), "model")
            screen.line(
                f"{server.name} at {server.base_url}, {more}: wfe-mcp providers add {_plain(server.name)}", "ok"
            )
            for model in server.models:
                screen.line(f"  {model}")
        for agent in agents:
            screen.line(f"{agent.kind} {agent.version}".rstrip() + f" at {agent.program}: usable as is", "ok")
        screen.line(summary)
        if not servers and not agents:
            screen.next("wfe-mcp providers add anthropic (or: openai, gemini)")

    invocation.answer(summary, render, data=data)


def _render_line(invocation: Invocation, line: "ProviderLine", summary: str) -> None:
    _answer_with_trust(invocation, summary, {"provider": _view(line)})


def _render_tried(screen: Screen, tried: "ProviderTrial") -> None:
    who = " ".join(filter(None, (tried.provider, tried.model)))
    if tried.ok:
        screen.line(f"{who}: {tried.message}", "ok")
    for model in tried.models:
        screen.line(f"  {model}")
    if not tried.ok:
        screen.talk(f"error: {who}: {tried.message} [unavailable]")
    if tried.hint:
        screen.next(tried.hint)


def _view(line: "ProviderLine") -> dict[str, Any]:
    return asdict(line) | {"usable": line.is_usable}


def _key(line: "ProviderLine") -> str:
    return f"{line.key}: {'set' if line.has_key else 'not set'}" if line.key else ""
