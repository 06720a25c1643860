"""The open runs of a working tree, read from the database without changing it.

A run *enforces* while it is running and one of its phases, worked by the connected client, is ready, running or being
checked. One that is paused or waits for a person does not.
"""

import os
import sys

from .statements import DOCUMENT_TEXT, NEXT_WORK, RUNNING_WORK, WORK_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WAIT_S = 0.5
_NAME = "wfe-mcp"


class Work:
    """An attempt that the client works on. ``status``: ready, running or gating. ``allowed``: the tools that its phase names."""

    def __init__(self, row: "dict[str, Any]", allowed: "list[str]", checks: "list[list[str]]") -> None:
        self.run, self.title, self.template = str(row["run"]), str(row["title"]), str(row["template"])
        self.phase, self.attempt, self.status = str(row["phase"]), int(row["attempt"]), str(row["status"])
        self.worktree = str(row["worktree"])
        self.allowed = allowed
        self.checks = checks


def data_folder(env: "dict[str, str]", platform: str = sys.platform) -> str:
    """The folder of wfe-mcp's data, as ``platformdirs`` finds it."""
    home = env.get("HOME") or env.get("USERPROFILE") or "~"
    data_home = env.get("XDG_DATA_HOME", "").strip()
    if platform == "win32":
        return os.path.join(env.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), _NAME)
    if os.path.isabs(data_home):
        return os.path.join(data_home, _NAME)
    folder = ("Library", "Application Support") if platform == "darwin" else (".local", "share")
    return os.path.join(home, *folder, _NAME)


def database(env: "dict[str, str]") -> str:
    """The path of the database; empty for one that is no file."""
    url = env.get("WFE_DATABASE_URL")
    if not url:
        return os.path.join(data_folder(env), "wfe.db")
    path = url.removeprefix("sqlite:///")
    return path if path != url and os.path.isabs(path) else ""


def top_of(folder: str) -> "list[str]":
    """The working tree of a folder: the one that git has there; without git every folder above it could be one."""
    real = _as_on_disk(os.path.realpath(folder))
    above = [real]
    while os.path.dirname(above[-1]) != above[-1]:
        above.append(os.path.dirname(above[-1]))
    for path in above:
        if os.path.exists(os.path.join(path, ".git")):
            return [path]
    return above


def _as_on_disk(folder: str) -> str:
    """``folder`` with the letters of the disk, as the database has it: macOS keeps those that were typed."""
    if sys.platform == "darwin":
        import fcntl

        try:
            opened = os.open(folder, os.O_RDONLY)
            try:
                path = fcntl.fcntl(opened, fcntl.F_GETPATH, bytes(1024))
            finally:
                os.close(opened)
            return os.fsdecode(path.partition(b"\0")[0])
        except OSError:
            pass
    return folder


def open_work(file: str, tops: "list[str]") -> "list[Work]":
    """What is open for the client in the working tree, the nearest of ``tops`` that has a run. Raises an error of SQLite.

    Of what has not begun, the first: a folder may have thousands of open runs, and a hook has 10 ms.
    """
    if not os.path.exists(file):
        return []
    import _sqlite3 as sqlite  # of CPython; the module sqlite3 around it takes 5 ms more

    place = "file:" + file.replace("\\", "/").replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection: Any = sqlite.connect(f"{place}?mode=ro", uri=True, timeout=_WAIT_S, isolation_level=None)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportAttributeAccessIssue]
    try:
        for top in tops:
            records = connection.execute(RUNNING_WORK, (top,)).fetchall()
            for status in ("pending", "running"):
                records += connection.execute(NEXT_WORK, (top, status)).fetchall()
            if records:
                rows: list[dict[str, Any]] = [
                    {name: row[at] for at, name in enumerate(WORK_COLUMNS)} for row in records
                ]
                rows.sort(key=lambda row: (row["created_at"], row["run"], row["phase"]))
                return _work(connection, rows)
        return []
    finally:
        connection.close()


def _work(connection: "Any", rows: "list[dict[str, Any]]") -> "list[Work]":
    from .plain_json import parse_json

    texts: dict[str, Any] = {}

    def document(sha256: str) -> "dict[str, Any]":
        if sha256 not in texts:
            texts[sha256] = parse_json(connection.execute(DOCUMENT_TEXT, (sha256,)).fetchone()[0])
        return texts[sha256]

    works: list[Work] = []
    for row in rows:
        path, role = without_items(str(row["phase"])), row["role"]
        spec = next((phase for phase in document(row["spec_sha256"])["phases"] if phase["path"] == path), None)
        if spec is None or spec["kind"] != "agent" or (spec.get("served") if role is None else role != "client"):
            continue
        definition = document(row["definition_sha256"])
        checks: dict[str, dict[str, Any]] = document(row["frozen_sha256"]).get("checks") or {}
        argvs = [check["argv"] for check in checks.values() if check.get("argv")]
        works.append(Work(row, _allowed_tools(definition, path.split(".")), argvs))
    return works


def without_items(path: str) -> str:
    """``build[T-1].code`` → ``build.code``."""
    kept, depth = "", 0
    for sign in path:
        depth += sign == "["
        kept += "" if depth else sign
        depth -= sign == "]"
    return kept


def _allowed_tools(definition: "dict[str, Any]", names: "list[str]") -> "list[str]":
    """``tools_allowed`` of a phase, else of the defaults of its own template; empty: no limit."""
    held: dict[str, Any] = definition
    phase: dict[str, Any] = {}
    for name in names:
        for holder in _inside(phase) if phase else [held]:
            record = _record_in(holder, name)
            if record:
                held = held if holder is phase else holder
                phase = record
                break
        else:
            phase = {**phase, "tools_allowed": None}
    defaults: dict[str, Any] = held.get("defaults") or {}
    tools: str | list[str] = phase.get("tools_allowed") or defaults.get("tools_allowed") or []
    return [tools] if isinstance(tools, str) else [*tools]


def _record_in(holder: "dict[str, Any]", name: str) -> "dict[str, Any]":
    phases: list[dict[str, Any]] = holder.get("phases") or []
    records = [phase for phase in phases if phase.get("id") == name]
    return records[0] if records else {}


def _inside(phase: "dict[str, Any]") -> "list[dict[str, Any]]":
    """What holds phases below a phase: itself, the template of a ``flow``, those of rules ``subflow``."""
    on_fail: Any = phase.get("on_fail") or []
    rules: list[dict[str, Any]] = [on_fail] if isinstance(on_fail, dict) else on_fail
    every: list[Any] = [phase, phase.get("definition"), *(rule.get("definition") for rule in rules)]
    return [holder for holder in every if holder]
