"""The project as a document that an agent can ask for: what ``init`` looks at, and what is configured of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.model import view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine


@view_model
class LanguageView:
    """A language of the project."""

    name: str
    files: int
    folders: tuple[str, ...]


@view_model
class PackageView:
    """A folder with a manifest."""

    path: str
    manifests: tuple[str, ...]


@view_model
class CheckView:
    """A check. ``configured``: templates can name it. ``fault``: why it cannot start here."""

    name: str
    argv: tuple[str, ...]
    configured: bool
    cwd: str = "."
    kind: str = ""
    fault: str = ""


@view_model
class StackView:
    """The stack of a folder: language, package manager, test runner with the ``command`` of its ``check``."""

    folder: str
    language: str
    manager: str
    runner: str = ""
    command: tuple[str, ...] = ()
    check: str = ""


@view_model
class ProjectContents:
    """What the project consists of."""

    root: str
    git: bool
    languages: tuple[LanguageView, ...]
    packages: tuple[PackageView, ...]
    checks: tuple[CheckView, ...]
    folders_left_out: tuple[str, ...] = ()
    stack: tuple[StackView, ...] = ()


def project_view(engine: Engine) -> ProjectContents:
    """The project of ``engine`` as its files are now. Nothing of it runs."""
    from wfe_mcp.engine.checks.readiness import check_fault
    from wfe_mcp.workspace.config.project_facts import project_facts

    facts, configured = project_facts(engine.root), engine.settings().settings.checks
    kinds = {each.name: str(each.kind) for each in facts.checks}
    known = tuple(
        CheckView(
            name=name,
            argv=tuple(check.argv),
            configured=True,
            cwd=check.cwd or ".",
            kind=kinds.get(name, ""),
            fault=check_fault(engine.root, check, engine.environment),
        )
        for name, check in configured.items()
    )
    proposed = tuple(
        CheckView(
            name=each.name,
            argv=tuple(each.settings.argv),
            configured=False,
            cwd=each.settings.cwd or ".",
            kind=str(each.kind),
        )
        for each in facts.checks
        if each.name not in configured
    )
    return ProjectContents(
        root=str(engine.root),
        git=engine.project.is_git,
        languages=tuple(view_of(LanguageView, each) for each in facts.languages),
        packages=tuple(view_of(PackageView, each) for each in facts.packages),
        checks=(*known, *proposed),
        folders_left_out=facts.left_out,
        stack=tuple(view_of(StackView, each) for each in facts.stacks),
    )
