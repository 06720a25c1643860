"""What is wrong with the connections of clients, and how to fix it. Reads files, starts nothing, and asks a server whether it is there."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

from wfe_mcp.clients import connect, files, hooks, launch, look
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.formats.splice import Unreadable
from wfe_mcp.clients.launch import Installation
from wfe_mcp.clients.look import ClientEntry
from wfe_mcp.clients.table import CLIENTS, SERVER, TOKEN, Client, Places, is_address, server_of
from wfe_mcp.core.bridge import PROTOCOL
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import HealthFinding, Level
from wfe_mcp.workspace.config.edits import value_at
from wfe_mcp.workspace.files.paths import expanded_path
from wfe_mcp.workspace.files.programs import program

_ANSWER_S, _SHOWN_BYTES = 3.0, 200
_PLUGIN = f"{SERVER}@wfe-mcp"


def path_finding(here: Installation, places: Places) -> HealthFinding:
    """Whether the name ``wfe-mcp`` finds this installation."""
    path = launch.on_path(places.env)
    if here.is_temporary:
        return HealthFinding("PATH", "ok", f"{launch.PROGRAM} is started by uvx; to install it: uv tool install")
    if path is None:
        message = f"{launch.PROGRAM} is not found; fix: uv tool update-shell, then open a new terminal; until then: {here.program}"
        return HealthFinding("PATH", "note", message)
    if path.resolve() != here.program.resolve():
        message = f"{launch.PROGRAM} is {path}, not {here.program}, which runs now; fix: remove one of them, or change their order"
        return HealthFinding("PATH", "note", message)
    return HealthFinding("PATH", "ok", str(path))


def client_findings(here: Installation, places: Places) -> Iterator[HealthFinding]:
    """What there is to say about each client that is installed or connected."""
    for client in CLIENTS:
        topic = f"client {client.title}"
        entries: list[ClientEntry] = []
        faults: list[HealthFinding] = []
        for scope in client.scopes:
            try:
                entries.append(look.look(client, places, scope))
            except Refused as refused:
                message = f"{refused.message} {refused.hint}"
                faults.append(HealthFinding(topic, "problem", message))
        yield from faults
        connected = [connection for connection in entries if connection.entry is not None]
        for connection in connected:
            yield from _connection(connection, here, places)
        yield from _hook_findings(client, here, places)
        if not connected and client.name == "claude-code" and _plugin_is_on(places):
            yield HealthFinding(topic, "ok", f"connected by its plugin {_PLUGIN}")
        elif not connected and not faults and look.is_installed(client, places):
            yield HealthFinding(topic, "note", f"not connected; fix: wfe-mcp install --client {client.name}")


def is_connected(places: Places) -> bool:
    """Whether any client has this server in a file of its own, or by the plugin. A broken file has none."""
    entries = (client_entry for client in CLIENTS for client_entry in look.readable(client, places))
    return any(client_entry.is_ours for client_entry in entries) or _plugin_is_on(places)


def server_here(places: Places) -> str:
    """The server that has the runs of every client connected here; empty where this machine has those of one."""
    entries = (client_entry for client in CLIENTS for client_entry in look.readable(client, places))
    servers = [server_of(client_entry.argv) for client_entry in entries if client_entry.is_ours]
    return servers[0] if servers and all(servers) else ""


def _connection(client_entry: ClientEntry, here: Installation, places: Places) -> Iterator[HealthFinding]:
    """The findings on one entry; one that is ok where there is no other."""
    client, topic = client_entry.client, f"client {client_entry.client.title}"
    if not client_entry.is_ours:
        is_like_ours = launch.PROGRAM in client_entry.shown or "wfe_mcp" in client_entry.shown
        yield HealthFinding(
            topic,
            "problem" if is_like_ours else "note",
            f"{client_entry.file} has a server {SERVER!r} that is not this wfe-mcp and was not started: {client_entry.shown}; "
            f"fix: rename or remove it there, then wfe-mcp install --client {client.name}",
        )
        return
    good = True
    for level, message in (*_faults(client_entry, here, places), *_server_faults(client_entry, places)):
        good = False
        yield HealthFinding(topic, level, f"{client_entry.file}: {message}")
    if good:
        asks = "" if connect.is_allowed(client_entry, places) else f"; it {client.asks}"
        yield HealthFinding(topic, "ok", f"{client_entry.file}, serves {_root(client_entry)}{_way(client_entry)}{asks}")


def _hook_findings(client: Client, here: Installation, places: Places) -> Iterator[HealthFinding]:
    """Whether the hooks of a client start this installation; nothing where it has none."""
    row = hooks.hook_file(client.name)
    if row is None:
        return
    topic, again = f"hooks of {client.title}", f"fix: wfe-mcp install --client {client.name} --hooks"
    line = hooks.command(client.name, here.executable, str(hooks.script_folder()), here.platform)
    wanted = {name: [hook] for name, hook in row.entries(line).items()}
    good: list[str] = []
    for scope in client.scopes:
        file = row.file(places, scope)
        document = _document(file, "jsonc")
        held = hooks.ours(document, row)
        off = document.get("disableAllHooks") is True or value_at(document, ("hooksConfig", "enabled")) is False
        good += [scope] if held else []
        if held and off:
            yield HealthFinding(topic, "note", f"{file}: the client has hooks switched off there; fix: switch them on")
        elif held and held != wanted:
            yield HealthFinding(
                topic, "note", f"{file}: they are of another version or installation; {again} --scope {scope}"
            )
        elif held:
            yield HealthFinding(topic, "ok", f"{file}")
    plugin = client.name == "claude-code" and _plugin_is_on(places)
    extra = good if plugin else good[1:]
    if extra:
        where = f" --scope {extra[0]}" if len(extra) == 1 else ""
        yield HealthFinding(
            topic,
            "note",
            f"they run more than once, because several files or the plugin have them; fix: wfe-mcp uninstall --client {client.name}{where}",
        )


def _plugin_is_on(places: Places) -> bool:
    """Whether Claude Code has the plugin of this package."""
    folders = (places.home / ".claude", places.root / ".claude")
    return any(_has_plugin(folder / name) for folder in folders for name in ("settings.json", "settings.local.json"))


def _has_plugin(file: Path) -> bool:
    held: object = _document(file, "jsonc").get("enabledPlugins")
    return isinstance(held, dict) and cast("dict[str, Any]", held).get(_PLUGIN) is True


def _faults(client_entry: ClientEntry, here: Installation, places: Places) -> Iterator[tuple[Level, str]]:
    named = f"--client {client_entry.client.name} --scope {client_entry.scope}"
    again = f"wfe-mcp uninstall {named}, then wfe-mcp install {named}"
    held: dict[str, Any] = cast("dict[str, Any]", client_entry.entry)
    if held.get("enabled") is False or held.get("disabled") is True:
        yield "problem", "the server is disabled there; fix: enable it"
    if is_address(client_entry.argv):
        if not places.env.get(TOKEN):
            yield "note", f"it needs {TOKEN} in the environment of the client; here it is not set"
        return
    if (
        program(client_entry.argv[0], places.root, client_entry.variables.get("PATH", places.env.get("PATH", "")))
        is None
    ):
        yield "problem", f"its command {client_entry.argv[0]} is not found; fix: {again}"
    elif client_entry.whose != "this":
        yield (
            "note",
            f"its command is not this installation, {here.program}, and was not started: {client_entry.shown}; fix: {again}",
        )
    elif client_entry.scope == "project" and (set_there := client_entry.variables.keys() - {"WFE_PROJECT"}):
        names = {name: value for name, value in client_entry.variables.items() if name in set_there}
        yield "note", f"{launch.command_line_of(client_entry.argv, names)}; fix: remove what you did not write there"
    yield from _project(client_entry, places)
    missing = [key for key in client_entry.shape.always if key not in held]
    passed: object = held.get(client_entry.client.names)
    variables = cast("list[Any]", passed) if isinstance(passed, list) else []
    missing += [
        f"{variable} in {client_entry.client.names}"
        for variable in client_entry.client.passed_on(places)
        if variable not in variables
    ]
    if missing:
        yield "note", f"the entry lacks {', '.join(missing)}; fix: {again}"
    trust = TRUST.get(client_entry.client.name)
    if trust is not None:
        yield from trust(client_entry, places)


def _way(client_entry: ClientEntry) -> str:
    server = server_of(client_entry.argv)
    return f" {'at' if is_address(client_entry.argv) else 'over a bridge to'} {server}, which answers" if server else ""


def _server_faults(client_entry: ClientEntry, places: Places) -> Iterator[tuple[Level, str]]:
    """Whether the server answers, and a bridge has a login there that still counts; asked where there is one."""
    server = server_of(client_entry.argv)
    if not server:
        return
    import http.client

    from wfe_mcp.workspace.system.location import find_project
    from wfe_mcp.workspace.system.logins import login_of

    is_bridge = not is_address(client_entry.argv)
    login = login_of(server, find_project(None, places.env, (), places.root), places.env) if is_bridge else None
    try:
        status, text = _answer_of(server, "/readyz")
        why = "" if status == 200 else f"answers with HTTP {status}{f': {text}' if status == 421 else ''}"
        # WFE_TOKEN is for no server by name, and a file of the project may name any: it is not sent from here.
        token = "" if login is None or login.name == "WFE_TOKEN" else login.token
        has_ended = bool(token and not why) and _answer_of(server, "/bridge", token)[0] == 401
    except (OSError, ValueError, http.client.HTTPException) as fault:
        why, has_ended = f"does not answer: {fault}", False
    if why:
        yield "problem", f"the server {server} {why}; fix: is the address right, and the server up?"
    elif is_bridge and login is None:
        yield "problem", f"this project has no login at {server}; fix: wfe-mcp login {server}"
    elif has_ended:
        yield "problem", f"the login at {server} has ended; fix: wfe-mcp login {server}"


def _answer_of(server: str, path: str, token: str = "") -> tuple[int, str]:
    """The status and the beginning of what a server answers."""
    from wfe_mcp.workspace.system.logins import connection_to

    headers = {"Authorization": f"Bearer {token}", "Wfe-Bridge": PROTOCOL} if token else {}
    with closing(connection_to(server, _ANSWER_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_SHOWN_BYTES).decode(errors="replace").strip()


def _project(client_entry: ClientEntry, places: Places) -> Iterator[tuple[Level, str]]:
    """What is wrong with a project that the entry names."""
    named = _named_project(client_entry)
    if not named or "${" in named:
        return
    folder = places.root / expanded_path(named)
    if not folder.is_dir():
        yield "problem", f"it names the project {named}, which is no folder; fix: correct --project there"
    elif folder.resolve() != places.root.resolve():
        yield "note", f"it always serves the project {named}, not this one; fix: remove --project there"


def _named_project(client_entry: ClientEntry) -> str:
    words = client_entry.argv
    for number, word in enumerate(words):
        if word == "--project" and number + 1 < len(words):
            return words[number + 1]
        if word.startswith("--project="):
            return word.partition("=")[2]
    return client_entry.variables.get("WFE_PROJECT", "")


def _root(client_entry: ClientEntry) -> str:
    """The project that the server will find."""
    named = _named_project(client_entry)
    if named:
        return named
    return {
        "folder": "the project that the client is started in",
        "roots": "the folder that is open in the client",
        "unknown": 'the folder that the client starts it in; if status names another, add "--project", "<folder>"',
    }[client_entry.client.root]


def _document(file: Path, form: entry.Format) -> dict[str, Any]:
    """The content of a client's own file; empty where it is missing or broken: its client reports that."""
    with suppress(Refused, Unreadable):
        held = files.content(file, None)
        return {} if held is None else entry.parse_document(held, form)
    return {}


def _claude(client_entry: ClientEntry, places: Places) -> Iterator[tuple[Level, str]]:
    for name in ("settings.json", "settings.local.json") if client_entry.scope != "user" else ():
        refused: object = _document(places.root / ".claude" / name, "json").get("disabledMcpjsonServers")
        if isinstance(refused, list) and SERVER in cast("list[Any]", refused):
            reason = f"Claude Code does not start it, because .claude/{name} has it in disabledMcpjsonServers"
            yield "note", f"{reason}; fix: remove it there"
            return


def _codex(client_entry: ClientEntry, places: Places) -> Iterator[tuple[Level, str]]:
    config = _document(client_entry.client.user(places)[0], "toml")
    if client_entry.scope == "user" or value_at(config, ("projects", str(places.root), "trust_level")) == "trusted":
        return
    ignored = "Codex ignores it, because it does not trust this project"
    own: object = value_at(config, ("mcp_servers", SERVER))
    if own is not None:
        yield "ok", f"{ignored}; the entry in your own file serves it too"
    else:
        yield "note", f"{ignored}; fix: start codex here and trust it, or wfe-mcp install --client codex --scope user"


def _gemini(client_entry: ClientEntry, places: Places) -> Iterator[tuple[Level, str]]:
    user = client_entry.client.user(places)[0]
    if value_at(_document(user, "jsonc"), ("security", "folderTrust", "enabled")) is not True:
        return
    trusted = _document(user.with_name("trustedFolders.json"), "jsonc")
    above = {str(path) for path in (places.root, *places.root.parents)}
    near = {str(places.root), str(places.root.parent)}
    for folder, kind in trusted.items():
        if (kind == "TRUST_FOLDER" and folder in above) or (kind == "TRUST_PARENT" and folder in near):
            return
    reason = "Gemini CLI starts no servers in a folder that it does not trust"
    yield "note", f"{reason}; fix: /permissions in gemini, or trust the folder when it asks"


TRUST: dict[str, Callable[[ClientEntry, Places], Iterator[tuple[Level, str]]]] = {
    "claude-code": _claude,
    "codex": _codex,
    "gemini-cli": _gemini,
}
"""Clients that may ignore the entry → why they do here, and whether that needs a fix; nothing where they do not."""
