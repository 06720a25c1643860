"""``wfe-mcp attest RUN``: write what a run's record says about a commit into ``refs/wfe/attestations``."""

from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run.")]
Commit = Annotated[str, typer.Option("--commit", metavar="COMMIT", help="The commit; without it the one checked out.")]


def attest(invocation: Invocation, run: Run, commit: Commit = "HEAD") -> None:
    """Write what was decided and checked about a commit into git.

    As in-toto statements: what a person decided, which gates passed and how checks ended. They are kept in refs/wfe/attestations of the repository, for `wfe-mcp verify --branch` in any clone. Attesting twice adds nothing.
    """
    from wfe_mcp.delivery.attestations.ref import REF
    from wfe_mcp.engine.delivery.attest import attest as attest_run

    bundle = attest_run(invocation.engine, run, commit)
    summary = f"Attested {bundle.commit[:12]}: {plural(bundle.statements, 'statement')} in {REF}"

    def show(screen: Screen) -> None:
        screen.line(summary, "green")
        screen.line(f"Decisions on exactly these files: {bundle.decisions}; results of checks: {bundle.results}")
        if not bundle.decisions:
            screen.line(
                f"No approval of this run is about the files of {bundle.commit[:12]}: verify will name it.", "yellow"
            )
        screen.next(f"git push origin {REF}")

    invocation.answer(summary, show, run=run, data=bundle._asdict() | {"ref": REF})
