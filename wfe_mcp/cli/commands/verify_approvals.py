"""``wfe-mcp verify --approvals``: check the approvals in the repository against its pinned passkeys, without a database."""

from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.engine.integrity.proof_verification import Proven


def verify_approvals(invocation: Invocation, run: str, require: list[str], base: str) -> None:
    """Report which approvals are proven; exit code 1 names each that is not."""
    from wfe_mcp.engine.integrity.proof_verification import verify_approvals as verified

    found = verified(invocation.project.root, run, require, base)
    problems: list[dict[str, Any]] = [
        {"code": one.code} | ({"run": one.run} if one.run else {}) | {"where": one.where, "message": one.message}
        for one in found.findings
    ]
    summary = f"{plural(len(found.approvals), 'approval')} proven" + (
        f", {plural(len(problems), 'problem')}" if problems else ""
    )
    error = None
    if problems:
        error = Refused(
            "conflict",
            f"{summary}: {problems[0]['where']}: {problems[0]['message']}.",
            "Have it approved again, or restore what was approved.",
        )
    data: dict[str, Any] = {
        "approvals": [_view(one) for one in found.approvals],
        "keys": [{"id": key.id, "name": key.name, "kind": key.kind or "passkey"} for key in found.keys],
        "problems": problems,
    }
    data["code"] = {"tree": found.code, "proof": None if found.of_code is None else found.of_code.file}
    data |= {"notes": list(found.notes)} if found.notes else {}
    invocation.answer(summary, lambda screen: _show(screen, summary, data), error=error, data=data)


def _view(one: "Proven") -> dict[str, Any]:
    return {
        "run": one.run,
        "phase": one.phase,
        "attempt": one.attempt,
        "sha256": one.sha256,
        "key": one.key.name,
        "kind": one.key.kind or "passkey",
        "at": one.at,
        "files": sorted(one.files),
        "tree": one.tree,
        "proof": one.file,
    }


def _show(screen: Screen, summary: str, data: dict[str, Any]) -> None:
    screen.line(summary, "red" if data["problems"] else "green")
    for one in data["approvals"]:
        files = f": {', '.join(one['files'])}" if one["files"] else ""
        screen.line(f"  {one['run']} {one['phase']}, attempt {one['attempt']}, by {one['key']} {one['at']}{files}")
    for one in data["problems"]:
        screen.line(f"  {one['where']}: {one['message']} [{one['code']}]", "red")
    if data["code"]["tree"] and data["approvals"]:
        proof = data["code"]["proof"]
        screen.line(f"The code as it is now: {f'approved in {proof}' if proof else 'not approved as it is'}")
    screen.line(f"Keys: {', '.join(key['name'] for key in data['keys']) or 'none'}")
    for note in data.get("notes", ()):
        screen.line(f"Note: {note}")
