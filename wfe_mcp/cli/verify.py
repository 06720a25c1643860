"""``wfe-mcp verify``: is what is stored what happened?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.door import Door

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.cli.screen import Screen
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import SettingEvent

__all__ = ["verify"]

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it every run of this project.")]
_PAGE = 500


def verify(door: Door, run: Run = "") -> None:
    """Follow the log from nothing and compare it with what is stored; exit code 1 names what differs.

    Also lists when a PIN or the key of a provider was set or changed, and by whom.
    """
    from wfe_mcp.core.errors import Refused
    from wfe_mcp.views.envelope import Envelope

    problems: list[dict[str, Any]] = []
    with door.engine.store.read() as tx:
        runs = [tx.find_run(door.engine.project_id, run).id] if run else list(_all_runs(tx, door.engine.project_id))
        problems += [_view("", one.where, one.message, one.seq) for one in tx.verify_settings()]
        told_of = list(tx.setting_events())
        for each in runs:
            problems += [_view(each, one.where, one.message, one.seq) for one in tx.verify_run(each)]
    for each in runs:
        problems += [
            _view(each, path, "the file differs from the accepted artifact", None)
            for path in _changed_files(door, each)
        ]
    pins = [_change(event) for event in told_of if event.name == "pin"]
    keys = [_change(event) | {"provider": event.name.partition(":")[2]} for event in told_of if _is_key(event.name)]
    told = f"{len(runs)} run(s) intact" if not problems else f"{len(problems)} place(s) differ from the log"
    error = None
    if problems:
        error = Refused("conflict", f"{told}: {problems[0]['where']}: {problems[0]['message']}.",
                        "Somebody changed it outside wfe-mcp; restore a backup, or find out who.")  # fmt: skip
    envelope = Envelope(not problems, run=runs[0] if run else None, summary=told, error=error,
                        data={"runs": len(runs), "problems": problems, "pin": pins, "keys": keys})  # fmt: skip
    door.tell(envelope, lambda screen: _show(screen, told, problems, pins, keys))


def _change(event: "SettingEvent") -> dict[str, Any]:
    """When somebody set something or took it away; never what."""
    at = event.at.isoformat(timespec="seconds")
    return {"at": at, "what": event.type, "actor": event.actor, "channel": str(event.channel)}


def _is_key(name: str) -> bool:
    return name.startswith(("provider_key:", "keyring:"))


def _all_runs(tx: "Tx", project_id: str) -> "Iterator[Any]":
    cursor: str | None = None
    while True:
        page = tx.list_runs(project_id, limit=_PAGE, cursor=cursor)
        yield from (record.id for record in page.runs)
        cursor = page.cursor
        if cursor is None:
            return


def _changed_files(door: Door, run: Any) -> list[str]:
    """Mirrors of accepted artifacts that hold something else now."""
    from pathlib import Path

    from wfe_mcp.engine.mirrors import unlike_sealed

    with door.engine.store.read() as tx:
        try:
            loaded = tx.load_run(run)
            assert loaded is not None, "it was listed a moment ago"
            places = unlike_sealed(tx, loaded, door.engine.plans.of_run(tx, loaded.record))
        except Exception:  # rows that were tampered with can fail in any way; verify_run has named them
            return []
    found: list[str] = []
    for place in places:
        folder = f".wfe/runs/{run}/{place}"
        files = sorted(path.name for path in Path(loaded.record.worktree, folder).glob("artifact*"))
        found += [f"{folder}/{name}" for name in files] or [folder]
    return found


def _view(run: str, where: str, message: str, seq: int | None) -> dict[str, Any]:
    return ({"run": run} if run else {}) | {"where": where, "message": message} | ({} if seq is None else {"seq": seq})


def _show(
    screen: "Screen", told: str, problems: list[dict[str, Any]], pins: list[dict[str, Any]], keys: list[dict[str, Any]]
) -> None:
    screen.line(told, "red" if problems else "green")
    for one in problems:
        screen.line(f"  {one.get('run', 'settings')}: {one['where']}: {one['message']}", "red")
    for what, changes in (("PIN", pins), *((f"Key of {one['provider']}", [one]) for one in keys)):
        for one in changes:
            screen.line(
                f"{what}: {_DONE.get(one['what'], one['what'])} {one['at']} by {one['actor']} ({one['channel']})"
            )


_DONE = {
    "SecretSet": "set", "SecretForgotten": "taken away", "KeyPutIntoKeyring": "put into the keyring",
    "KeyTakenFromKeyring": "taken from the keyring",
}  # fmt: skip
