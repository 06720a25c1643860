"""Lint rules for ``context``: the artifacts and bundles that go with a prompt.

A name is an earlier artifact of the template, else a bundle that the project configures; ``{"bundle": …}`` is always a
bundle. So a template means the same whatever bundles a project has.
"""

from typing import cast

from wfe_mcp.core.errors import nearest
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.known import Fields
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import BundleRef


def context_rules(views: tuple[PhaseView, ...], found: LintFindings) -> None:
    """Every rule on ``context``, over all phases."""
    for view in views:
        named: set[tuple[str, str | None]] = set()
        for position, entry in enumerate(view.phase.context):
            at = f"{view.pointer}/context/{position}"
            if isinstance(entry, BundleRef):
                _bundle(entry.bundle, f"{at}/bundle", (), found, optional=entry.optional)
            else:
                _name(entry, at, cast("Fields", view.before["artifacts"]), found)
            handed = (entry.bundle, entry.scope) if isinstance(entry, BundleRef) else (entry, None)
            if handed in named:
                found.error(at, f"{handed[0]!r} is listed twice", None, handed[0])
            named.add(handed)


def _name(name: str, at: str, artifacts: Fields, found: LintFindings) -> None:
    if name in artifacts.known:
        return
    if name in artifacts.hidden:
        found.error(at, f"artifact {name!r} is not available: {artifacts.hidden[name]}", list(artifacts.names), name)
        return
    if near := nearest(name, artifacts.names, 1):
        other = f'a standards bundle of that name is {{"bundle": "{name}"}}'
        found.error(
            at, f"no artifact is called {name!r}; did you mean {near[0]!r}? ({other})", list(artifacts.names), name
        )
        return
    _bundle(name, at, artifacts.names, found, optional=False)


def _bundle(name: str, at: str, artifacts: tuple[str, ...], found: LintFindings, *, optional: bool) -> None:
    found.context.add(name)
    if optional or found.project is None or name in found.project.context:
        return
    valid = (*artifacts, *sorted(found.project.context))
    what = "neither an artifact nor a standards bundle is" if artifacts else "no standards bundle is"
    hint = (
        did_you_mean(name, valid) or f"; list its files in .wfe/config.toml ([context.{name}]) and run: wfe-mcp trust"
    )
    found.error(at, f"{what} called {name!r}{hint}", list(valid), name)
