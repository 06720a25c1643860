"""``wfe-mcp templates``: list, check, copy, version and change workflows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from wfe_mcp.cli.commands.trust import trust as review
from wfe_mcp.cli.terminal.changes import detail_views, render_changes
from wfe_mcp.cli.terminal.confirm import open_in_editor
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, TemplateName, Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import shorten
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.texts import visible_json
from wfe_mcp.core.units import plural
from wfe_mcp.views.values.model import JsonObject, plain, view_of
from wfe_mcp.workflow.load import input_schemas, load_definition
from wfe_mcp.workspace.files.project_files import write_new

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.templates.catalogue import Offer
    from wfe_mcp.engine.templates.versions import KeptVersion
    from wfe_mcp.views.templates.templates import TemplateLine
    from wfe_mcp.workflow.lint import ProjectNames


Query = Annotated[str, typer.Argument(metavar="[WORDS]", help="Only templates with these words.")]
Everything = Annotated[bool, typer.Option("--all", help="Disabled and archived templates too.")]
FileOrName = Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file or folder, else a template's name.")]
AskTools = Annotated[bool, typer.Option("--tools", help="Ask its MCP servers for their tools.")]
Target = Annotated[str, typer.Argument(metavar="[FILE]", help="Where to write it; standard output without one.")]


def list_all(invocation: Invocation, query: Query = "", everything: Everything = False) -> None:
    """List the templates of this project, special cases last."""
    from wfe_mcp.views.answers.reading import list_templates
    from wfe_mcp.views.templates.templates import TemplateList

    answer = list_templates(invocation.engine, invocation.by, query, all_states=everything, limit=None)

    def render(screen: Screen) -> None:
        view = answer.view_as(TemplateList)
        lines = view.templates
        for name in view.unreadable:
            screen.aside(screen.complete(f"! {name} cannot be read: wfe-mcp templates show {name}"), "yellow")
        if not lines:
            screen.line(f"No template has these words: {query}" if query else "No template is enabled.")
            screen.next("wfe-mcp templates list --all")
        if not screen.is_terminal:
            _render_list(screen, lines)
            return
        _render_list(screen, [line for line in lines if not line.niche])
        if any(line.default for line in lines):
            screen.line("default: starts where no template is named, as in `wfe-mcp start`", "dim")
        if more := [line for line in lines if line.niche]:
            screen.line()
            screen.line("More, for special cases", "bold")
            _render_list(screen, more)

    invocation.render(answer, render)


def _render_list(screen: Screen, lines: "Sequence[TemplateLine]") -> None:
    rows = [
        (line.name, line.version, line.source or "shipped", line.state or "default" * line.default, line.title)
        for line in lines
    ]
    screen.table(("name", "version", "from", "state", "title"), rows, optional=("state",))


def show(invocation: Invocation, name: TemplateName) -> None:
    """Show a template: its inputs, phases, gates and versions."""
    from wfe_mcp.engine.templates.catalogue import version_states
    from wfe_mcp.engine.templates.versions import versions
    from wfe_mcp.views.answers.reading import list_templates
    from wfe_mcp.views.templates.templates import TemplateView, version_row

    answer = list_templates(invocation.engine, invocation.by, name=name)
    view = answer.view_as(TemplateView)
    base = view.template["name"]
    states = version_states(invocation.engine, base)
    rows = tuple(version_row(record, states.get(record.version, "")) for record in versions(invocation.engine, base))
    answer = answer.showing(replace(view, versions=rows))

    def render(screen: Screen) -> None:
        _render(screen, view.template, view.source, view.state)
        screen.table(
            ("version", "sha256", "from", "kept", "made from", "state"),
            [(row.version, row.sha256, row.source, row.kept_at, row.parent, row.state) for row in rows],
            optional=("state",),
        )

    invocation.render(answer, render)


def lint(invocation: Invocation, source: FileOrName, tools: AskTools = False) -> None:
    """Find every error in a template, and what makes its gates weak.

    Exit code 1 with errors, 0 with warnings only; without either it prints nothing.
    """
    from wfe_mcp.engine.templates.catalogue import lint_definition, project_names
    from wfe_mcp.views.templates.templates import RequiresView

    try:
        definition, names = _definition(invocation, source), project_names(invocation.engine)
        report = lint_definition(invocation.engine, definition, names)
        if tools and report.requires.servers:
            report = lint_definition(
                invocation.engine, definition, _with_tools(invocation, names, report.requires.servers)
            )
    except Refused as refused:
        if refused.code != "invalid_template" or not refused.details:
            raise
        _render_faults(invocation, source, refused.details, (), {})
        return
    _render_faults(invocation, source, report.errors, report.warnings, view_of(RequiresView, report.requires))


def export(invocation: Invocation, name: TemplateName, target: Target = "") -> None:
    """Write a template as one JSON document, prompts included."""
    from wfe_mcp.engine.templates.catalogue import template_definition

    offer = template_definition(invocation.engine, name)
    text = visible_json(offer.definition, indent=2)
    if not target:
        invocation.answer(
            f"{offer.name} {offer.version}", lambda screen: screen.lines(text), data={"template": offer.definition}
        )
        return
    write_new(Path(target), f"{text}\n")
    invocation.answer(f"{offer.name} {offer.version} written to {target}", data={"path": target})


def _definition(invocation: Invocation, source: str) -> dict[str, Any]:
    from wfe_mcp.engine.templates.catalogue import template_definition

    path = Path(source)
    has_version = "@" in source  # NAME@1.2.0 has a suffix, and is no file
    if path.exists() or (path.suffix and not has_version) or len(path.parts) > 1:
        return load_definition(path)
    return template_definition(invocation.engine, source).definition


def _with_tools(invocation: Invocation, names: "ProjectNames | None", needed: tuple[str, ...]) -> "ProjectNames | None":
    """``names`` with the tools of each server that answers; one that does not is reported and its tools are not checked."""
    from wfe_mcp.engine.phases.step_calls import ask_each

    if names is None:
        return None
    with invocation.screen.busy("Asking MCP servers"):
        replies = ask_each(invocation.engine, needed)
    for reply in replies:
        if reply.answer is None:
            invocation.screen.talk(f"Warning: the tools of {reply.name!r} are not checked: {reply.fault}")
    tools = {reply.name: frozenset(tool.name for tool in reply.answer.tools) for reply in replies if reply.answer}
    return replace(names, tools=tools)


def _render_faults(
    invocation: Invocation, source: str, errors: "Sequence[Detail]", warnings: "Sequence[Detail]", requires: object
) -> None:
    invocation.exit_code = 1 if errors else 0
    if invocation.screen.as_json:
        from wfe_mcp.views.values.model import plain

        faults = {"errors": detail_views(errors), "warnings": detail_views(warnings)}
        invocation.screen.document({"ok": not errors, **faults, "requires": plain(requires)})
        return
    for details, kind, colour in ((errors, "error", "red"), (warnings, "warning", "yellow")):
        if details:
            invocation.screen.line(f"{source}: {plural(len(details), kind)}", colour)
        for detail in details:
            invocation.screen.line(f"  {detail.path or '(whole)'}: {detail.message}")


def _render(screen: Screen, definition: "JsonObject", source: str, state: str) -> None:
    where = f"{source}, {state}" if state else source
    screen.line(f"{definition['name']} {definition['version']} ({where}): {definition.get('title', '')}", "bold")
    if definition.get("description"):
        screen.line(definition["description"])
    inputs: dict[str, Any] = definition.get("inputs", {})
    facts = [(f"role {name}", _text(role.get("description", ""))) for name, role in definition.get("roles", {}).items()]
    for name, schema in input_schemas(inputs).items():
        must = "required" if name in inputs.get("required", []) else "optional"
        default = f", else {json.dumps(schema['default'], ensure_ascii=False)}" if "default" in schema else ""
        about = f": {schema['description']}" if schema.get("description") else ""
        facts.append((f"input {name}", f"{schema.get('type', 'any')}, {must}{default}{about}"))
    screen.table((), facts)
    _render_phases(screen, definition.get("phases", []))


def _render_phases(screen: Screen, phases: list[dict[str, Any]], before: str = "") -> None:
    """The phases with their steps and gates, those of a loop below it."""
    for phase in phases:
        artifact = phase.get("output", {}).get("artifact")
        screen.line(f"{before}{phase['id']} -> {artifact}" if artifact else f"{before}{phase['id']}", "bold")
        rows = [(f"step {step['id']}", _call(step)) for step in phase.get("steps", [])]
        rows += [(f"{gate['kind']} before work", _gate(gate)) for gate in phase.get("prompt_gates", [])]
        screen.table((), [*rows, *((gate["kind"], _gate(gate)) for gate in phase.get("gates", []))], f"{before}  ")
        _render_phases(screen, phase.get("phases", []), f"{before}  ")


def _text(value: object) -> str:
    parts = cast("list[object]", value) if isinstance(value, list) else [value]
    return " ".join(", ".join(part if isinstance(part, str) else json.dumps(part) for part in parts).split())


def _gate(gate: dict[str, Any]) -> str:
    """What a gate requires, as written in the template."""
    match gate["kind"]:
        case "command":
            must = "fail" if gate.get("expect", {}).get("exit_code") == "nonzero" else "pass"
            return f"check {gate.get('check', '')} must {must}"
        case "approval":
            people = gate.get("people", 1)
            who = {"human": "you, with your PIN", "passkey": "you, with a passkey"}
            if people > 1:
                who = {"human": f"{people} people, each with a key", "passkey": f"{people} people, each with a passkey"}
            return who.get(gate.get("assurance", "human"), f"{gate.get('assurance')}")
        case "opinion":
            missing = "; skipped if none is configured" if gate.get("if_missing") == "note" else ""
            return ", ".join(map(str, gate.get("reviewers", []))) + missing
        case "expr" if "rule" in gate:
            return str(gate["rule"])
        case _:
            rules = ((key, rule) for key, rule in gate.items() if key not in {"kind", "delivery", "message"})
            return "; ".join(f"{key}: {shorten(_text(rule), 80)}" for key, rule in rules)


def _call(step: dict[str, Any]) -> str:
    """What a step calls, as written in the template."""
    if "http" in step:
        return f"http {step['http'].get('method', 'GET')} {step['http'].get('url', '')}"
    if "llm" in step:
        return f"model of {step['llm'].get('role', '')}"
    return next((f"{kind} {step[kind]}" for kind in ("tool", "check", "builtin", "wait") if kind in step), "nothing")


NewName = Annotated[str, typer.Argument(metavar="NEW_NAME", help="The name of the copy.")]
Version = Annotated[str, typer.Option("--version", metavar="TEXT", help="The copy's version; else the original's.")]
File = Annotated[
    str, typer.Option("--file", metavar="FILE", help="The edited template; without it your $EDITOR opens.")
]
Other = Annotated[str, typer.Argument(metavar="[OTHER]", help="The template to compare with; else its origin.")]


def clone(invocation: Invocation, name: TemplateName, new_name: NewName, version: Version = "") -> None:
    """Copy a template under a new name."""
    from wfe_mcp.engine.templates.versions import clone as copy

    render_kept(invocation, copy(invocation.engine, name, new_name, version), f"Copied {name} to {new_name}.")


def edit(invocation: Invocation, name: TemplateName, file: File = "") -> None:
    """Create a new version of a template.

    The old version and its runs are not changed.
    """
    from wfe_mcp.engine.templates.catalogue import template_definition
    from wfe_mcp.engine.templates.versions import edit as keep_edited

    base = template_definition(invocation.engine, name)
    if file:
        version = keep_edited(invocation.engine, base, load_definition(Path(file)))
    else:
        version = _edit_template(invocation, base)
    render_kept(invocation, version, f"Stored {version.name} {version.version}; {base.version} is unchanged.")


def diff(invocation: Invocation, name: TemplateName, other: Other = "") -> None:
    """Compare a template with its origin, or with another one."""
    from wfe_mcp.views.templates import templates

    answer = templates.diff(invocation.engine, invocation.by, name, other)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        render_changes(screen, answer.view_as(templates.TemplateDiff).changes, 300)

    invocation.render(answer, render)


def default(invocation: Invocation, name: TemplateName, pin_fd: PinFd = None) -> None:
    """Make a template the first one in lists of this project.

    With NAME@VERSION, NAME starts that version from now on; that needs your PIN.
    """
    from wfe_mcp.engine.templates.versions import make_default

    if "@" not in name:
        offer = make_default(invocation.engine, invocation.by, name)
        _render_state(invocation, offer.name, f"{offer.name} is now the default.", "default")
        return
    offer = make_default(invocation.engine, invocation.person(pin_fd, f"make {name} the default"), name)
    _render_state(invocation, name, f"{offer.name} is now the default, and starts version {offer.version}.", "default")


def enable(invocation: Invocation, name: TemplateName) -> None:
    """Enable a disabled or archived template."""
    from wfe_mcp.engine.templates.versions import enable as put_in_use

    template = put_in_use(invocation.engine, invocation.by, name)
    _render_state(invocation, template, f"Enabled {template}.", "enabled")


def disable(invocation: Invocation, name: TemplateName) -> None:
    """Start no run from a template until you enable it.

    Open runs continue.
    """
    from wfe_mcp.engine.templates.versions import disable as put_out_of_use

    template = put_out_of_use(invocation.engine, invocation.by, name)
    _render_state(
        invocation, template, f"Disabled {template}. To enable it: wfe-mcp templates enable {template}", "disabled"
    )


def archive(invocation: Invocation, name: TemplateName) -> None:
    """Hide a template, or one version of it.

    Nothing is deleted, and open runs continue.
    """
    from wfe_mcp.engine.templates.versions import archive as archive_template

    template = archive_template(invocation.engine, invocation.by, name)
    _render_state(
        invocation, template, f"Archived {template}. To enable it: wfe-mcp templates enable {template}", "archived"
    )


TemplateNames = Annotated[list[str], typer.Argument(metavar="NAME…", help="Templates, or kept versions NAME@VERSION.")]


def trust(invocation: Invocation, names: TemplateNames, yes: Yes = False, pin_fd: PinFd = None) -> None:
    """Review and trust templates, as `trust NAME` does."""
    review(invocation, names, yes, pin_fd)


def render_kept(
    invocation: Invocation, version: "KeptVersion", summary: str, more: dict[str, Any] | None = None
) -> None:
    """A stored version: what it needs, what is not supported yet, and that it needs trust."""
    from wfe_mcp.views.templates.templates import kept_view

    view = kept_view(version)

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        needs = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in plain(view.requires).items() if names)
        if needs:
            screen.line(f"Needs {needs}.")
        for text in view.warnings:
            screen.line(f"! {text}", "yellow")
        for text in (more or {}).get("not_carried", []):
            screen.line(f"! not carried: {text['path'] or '(whole)'}: {text['message']}", "yellow")
        for text in (more or {}).get("added", []):
            screen.line(f"+ added: {text['path']}: {text['message']}")
        if version.not_yet:
            screen.line("Stored, but no run can start from it: this version of wfe-mcp does not support", "yellow")
        for detail in version.not_yet:
            screen.line(f"! {detail.path}: {detail.message}", "yellow")
        if version.shadowed:
            screen.line(f"! .wfe/templates has another {version.name}, which takes precedence.", "yellow")
        if version.to_trust:
            screen.next(f"wfe-mcp trust {version.to_trust}")

    summary = f"{version.name} {version.version} is stored already." if version.is_old else summary
    invocation.answer(summary, render, data=plain(view) | (more or {}))


def _render_state(invocation: Invocation, name: str, summary: str, state: str) -> None:
    invocation.answer(summary, data={"template": name, "state": state})


def _edit_template(invocation: Invocation, base: "Offer") -> "KeptVersion":
    """The version that the user's editor makes, which opens the template with the next version number."""
    from wfe_mcp.engine.templates.versions import edit as keep_edited, next_version

    opened = {**base.definition, "version": next_version(base.version)}
    text = json.dumps(opened, indent=2, ensure_ascii=False) + "\n"
    again = ["wfe-mcp", "templates", "edit", base.name, "--file"]
    instead = f"wfe-mcp templates export {base.name} FILE, then wfe-mcp templates edit {base.name} --file FILE"
    with open_in_editor(text, f"{base.name}.json", instead, again) as file:
        edited = load_definition(file)
        if edited == opened:
            raise Refused("bad_argument", "You changed nothing in the editor. Nothing was stored.", "Edit again.")
        return keep_edited(invocation.engine, base, edited)
