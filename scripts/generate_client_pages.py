"""Writes docs/how-to/clients: one page per client, from the table of clients and the recorded sessions.

    python scripts/generate_client_pages.py            write the pages
    python scripts/generate_client_pages.py --check    write nothing; exit 1 when one is out of date

The recordings are made by tests/docs/test_client_pages.py, by the real clients.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wfe_mcp.clients.formats import entry  # noqa: E402 - after the path is set
from wfe_mcp.clients.hooks import hook_file  # noqa: E402
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places  # noqa: E402

FOLDER = ROOT / "docs" / "how-to" / "clients"
AT = Places(Path("/project"), Path("/home/you"), "linux", {})
SENTENCE = "Use wfe quick_fix: add(1, 2) gives -1; it should give 3."
ABSOLUTE = "/home/you/.local/bin/wfe-mcp"
OF_USER = {
    True: f"In the file of `--scope user` the command is its absolute path, such as `{ABSOLUTE}`.",
    False: "The command is the absolute path of your installation.",
}
PERMISSION = {True: " `--allow` lets it call them without asking; that never approves a gate.", False: ""}


def main(argv: Sequence[str]) -> int:
    stale = [name for name, text in pages().items() if read(FOLDER / name) != text]
    if "--check" in argv:
        if stale:
            print(f"stale {', '.join(stale)}")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote {name}")
    return 0


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def pages() -> dict[str, str]:
    """File → text."""
    return {f"{client.name}.md": page(client) for client in CLIENTS}


def page(client: Client) -> str:
    shape = client.shapes[0]
    command = "wfe-mcp" if client.project else ABSOLUTE
    written = entry.add_entry(
        b"", client.format, (*shape.path, SERVER), shape.entry((command, "serve"), allow=False)
    ).decode()
    language = {"json": "json", "jsonc": "json", "toml": "toml", "yaml": "yaml"}[client.format]
    files = {
        scope: client.files(AT, scope)[0].as_posix().replace("/project/", "").replace("/home/you", "~")
        for scope in client.scopes
    }
    parts = [
        f"# Use wfe with {client.title}",
        f"This page connects {client.title} to wfe-mcp and shows the first conversation. You need the `wfe-mcp` command\n"
        "([install](../install.md)) and a project in which you ran `wfe-mcp init`.",
        "## Connect",
        f"```console\n$ wfe-mcp install --client {client.name}\n```",
        "It shows what it adds, asks, starts the server as the client will, and writes "
        + " or ".join(f"`{file}` (`--scope {scope}`)" for scope, file in files.items())
        + ":",
        f"```{language}\n{written.strip()}\n```",
        OF_USER[bool(client.project)],
        f"{client.title} {client.asks}." + PERMISSION[client.offers_permission(shape)],
    ]
    if client.before:
        parts.append(f"Before the first session: {client.before}.")
    if client.root == "unknown":
        parts.append(
            'It starts the server in a folder of its own. If `status` names another folder than your project, add `"--project", "<folder>"` to `args`.'
        )
    parts += ["## The first conversation", f"Start it in the project, and say:\n\n> {SENTENCE}", recorded(client)]
    row = hook_file(client.name)
    hooks = (
        f"`wfe-mcp install --client {client.name} --hooks` also holds it to the open phase: [hooks and the plugin](../hooks-and-the-plugin.md)."
        if row is not None
        else "It has no hooks of ours: an edit outside a phase is made; your decision shows it, and [gates](../hooks-and-the-plugin.md#what-each-clients-hooks-can-do) judge it."
    )
    parts += [
        "## Later",
        f"{hooks}\nA new conversation continues a run when you say “continue with wfe”. If the tools are missing: `wfe-mcp doctor`. "
        f"To disconnect: `wfe-mcp uninstall --client {client.name}`.",
    ]
    return "\n\n".join(parts) + "\n"


def recorded(client: Client) -> str:
    """The session of the real client where there is one, else what happens in words."""
    file = FOLDER / "recorded" / f"{client.name}.txt"
    if file.exists():
        return (
            "A recorded session with a scripted model; `wfe` lines are the calls of our tools, the state that each reported, and the next call "
            f"that it named:\n\n```console\n{file.read_text(encoding='utf-8').strip()}\n```"
        )
    return (
        "The agent calls `status`, `list_templates`, `start_run`, then `start_phase` and `submit_artifact` for each phase. When it reports "
        "that it waits for you, decide at a terminal of your own: `wfe-mcp status`, then `wfe-mcp approve RUN fix`. "
        "[Claude Code](claude-code.md) has a recorded session; this client was not run by us, its file is written as its documentation "
        "describes."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
