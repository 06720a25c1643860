"""``wfe-mcp deploy`` and ``wfe-mcp deployments``: start a deployment; show what runs where, and how it got there."""

from typing import Annotated

import typer

from wfe_mcp.cli.commands.start import begin
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

Environment = Annotated[str, typer.Argument(metavar="ENV", help="An environment: a table of [environments].")]
OfEnvironment = Annotated[str, typer.Argument(metavar="[ENV]", help="Of this environment alone.")]
OfRun = Annotated[
    str, typer.Option("--run", metavar="RUN", help="Deploy the commit that this run made or merged last.")
]
Commit = Annotated[
    str, typer.Option("--commit", metavar="COMMIT", help="Deploy this commit; without both, the one at HEAD.")
]
SHA_CHARS = 12


def deploy(
    invocation: Invocation, environment: Environment, run: OfRun = "", commit: Commit = "", pin_fd: PinFd = None
) -> None:
    """Start a run that deploys a commit, after your approval.

    You see the commits, the items and the checks first. What fails its health check or its tests is rolled back.
    """
    commit = _commit(invocation, run, commit)
    title = f"Deploy {commit[:SHA_CHARS]} to {environment}"
    inputs = [f"environment={environment}", f"commit={commit}"]
    answer = begin(invocation, "deploy", inputs, "", title, auto=None, key="", driver="", pin_fd=pin_fd)

    def render(screen: Screen) -> None:
        screen.line(f"{title}: run {answer.run}.", "bold")
        screen.line("It asks for your approval, which shows what would be deployed.")
        screen.next(f"wfe-mcp approve {answer.run} deploy")

    invocation.render(answer, render)


def deployments(invocation: Invocation, environment: OfEnvironment = "") -> None:
    """Show what runs in each environment, and the deployments."""
    from wfe_mcp.views.runs.deployments import deployments_view

    view = deployments_view(invocation.engine, environment)
    summary = f"{plural(len(view.environments), 'environment')}, {plural(len(view.deployments), 'deployment')}"

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        screen.table(
            ("environment", "kind", "runs", "version", "health", "asked"),
            [
                (
                    row.name,
                    row.kind,
                    row.commit[:SHA_CHARS] or "-",
                    row.version or "-",
                    row.health or "-",
                    row.health_at and exact(row.health_at),
                )
                for row in view.environments
            ],
        )
        if view.deployments:
            screen.line("")
            screen.table(
                ("at", "environment", "state", "commit", "before", "approved by", "run"),
                [
                    (
                        exact(deployment.at),
                        deployment.environment,
                        deployment.state + (deployment.rolled_back_at and f", {exact(deployment.rolled_back_at)}"),
                        deployment.commit[:SHA_CHARS],
                        deployment.before[:SHA_CHARS] or "-",
                        deployment.approved_by,
                        deployment.run,
                    )
                    for deployment in view.deployments
                ],
            )
        failed = next((deployment for deployment in view.deployments if deployment.why), None)
        if environment and failed is not None:
            why, _, output = failed.why.partition("\n")
            screen.line(f"{failed.commit[:SHA_CHARS]}: {why}")
            if output:
                screen.print_quoted(output)
            if failed.log:
                screen.line(f"Its output: {failed.log}")
        if not view.environments:
            screen.line("Name one in .wfe/config.toml: [environments.NAME]")

    invocation.answer(summary, render, view=view)


def _commit(invocation: Invocation, run: str, commit: str) -> str:
    """The whole id of the commit to deploy. Refuses ``bad_argument``."""
    from wfe_mcp.delivery.git.refs import commit_of
    from wfe_mcp.engine.delivery.operations import operations_of

    if run and commit:
        raise Refused("bad_argument", "--run and --commit both name a commit.", "Leave one out.")
    if run:
        run = invocation.resolve_run(run, None)
        commits = [operation.commit for operation in operations_of(invocation.engine, run) if operation.commit]
        if not commits:
            raise Refused("bad_argument", f"Run {run} has made and merged no commit.", "Name one: --commit COMMIT")
        commit = commits[-1]
    sha = commit_of(invocation.engine.root, commit or "HEAD")
    if not sha:
        raise Refused("bad_argument", f"There is no commit {commit or 'HEAD'!r} here.", "See: git log --oneline")
    return sha
