"""``wfe-mcp templates``: which workflows are there, and are they right?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.door import Door
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.cli.screen import Screen
    from wfe_mcp.workflow.lint import LintReport, ProjectNames

__all__ = ["export", "import_file", "lint", "list_all", "show"]

Query = Annotated[str, typer.Argument(metavar="[WORDS]", help="Only templates that hold these words.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The template.")]
Source = Annotated[str, typer.Argument(metavar="FILE", help="A wfe/1 JSON file, or a folder with template.json.")]
FileOrName = Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file or folder, else a template's name.")]
Target = Annotated[str, typer.Argument(metavar="[FILE]", help="Where to write it; standard output without one.")]


def list_all(door: Door, query: Query = "") -> None:
    """List the templates this project can start."""
    from wfe_mcp.views.answers import list_templates

    answer = list_templates(door.engine, door.by, query)

    def tell(screen: "Screen") -> None:
        rows = [
            (each["name"], each["version"], each.get("source", "shipped"), each["title"]) for each in answer.data["templates"]
        ]  # fmt: skip
        screen.table(("name", "version", "from", "title"), rows)

    door.tell(answer, tell)


def show(door: Door, name: Name) -> None:
    """Show one template: its inputs, phases and gates."""
    from wfe_mcp.views.answers import list_templates

    answer = list_templates(door.engine, door.by, name=name)
    door.tell(answer, lambda screen: _tell(screen, answer.data["template"], answer.data["source"]))


def lint(door: Door, source: FileOrName) -> None:
    """Find every fault of a template. Prints nothing when there is none; exit code 1 otherwise."""
    from wfe_mcp.workflow.lint import lint as look

    try:
        report = look(_definition(door, source), _project_names(door))
    except Refused as refused:
        if refused.code != "invalid_template" or not refused.details:
            raise
        _tell_faults(door, [(each.path, each.message) for each in refused.details], {})
        return
    _tell_faults(door, [(each.path, each.message) for each in report.errors], _requires(report))


def import_file(door: Door, source: Source) -> None:
    """Store a template of your own or somebody else's; it counts once you trust it."""
    from wfe_mcp.engine.templates import import_template
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.workflow.lint import lint as look
    from wfe_mcp.workflow.load import load_definition

    path = Path(source)
    _refuse_other_formats(path)
    definition = load_definition(path)
    offer = import_template(door.engine, definition, "imported")
    requires = _requires(look(definition))
    data = {"template": offer.name, "version": offer.version, "requires": requires}
    needs = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in requires.items() if names)
    told = f"Stored {offer.name} {offer.version}" + (f", which needs {needs}" if needs else "")
    door.tell(Envelope(True, summary=f"{told}. It can start once you trust it: wfe-mcp trust {offer.name}", data=data))


def export(door: Door, name: Name, target: Target = "") -> None:
    """Write a template as one JSON document, prompts included."""
    from wfe_mcp.engine.templates import template_definition
    from wfe_mcp.views.envelope import Envelope

    offer = template_definition(door.engine, name)
    text = json.dumps(offer.definition, indent=2, ensure_ascii=False)
    if not target:
        answer = Envelope(True, summary=f"{name} {offer.version}", data={"template": offer.definition})
        door.tell(
            answer, lambda _screen: print(text)
        )  # not through the screen: a prompt's bytes are not ours to change
        return
    try:
        with Path(target).open("x", encoding="utf-8", newline="\n") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        raise Refused("conflict", f"{target} exists already.", "Name another file, or move that one away.") from None
    except OSError as error:
        raise Refused("bad_argument", f"{target} cannot be written: {error.strerror}.", "Name another file.") from None
    door.tell(Envelope(True, summary=f"{name} {offer.version} written to {target}", data={"path": target}))


def _definition(door: Door, source: str) -> object:
    from wfe_mcp.engine.templates import template_definition
    from wfe_mcp.workflow.load import load_definition

    path = Path(source)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return load_definition(path)
    return template_definition(door.engine, source).definition


def _project_names(door: Door) -> "ProjectNames | None":
    """What the project has, where it has a configuration at all; elsewhere names are only listed as required."""
    from wfe_mcp.workflow.lint import ProjectNames

    loaded = door.engine.settings()
    if loaded.project_file is None:
        return None
    known = loaded.pending or loaded.settings
    return ProjectNames(frozenset(known.checks), frozenset(known.roles), frozenset(known.mcp_servers))


def _requires(report: "LintReport") -> dict[str, list[str]]:
    return {name: list(getattr(report.requires, name)) for name in ("checks", "roles", "servers")}


def _tell_faults(door: Door, faults: list[tuple[str, str]], requires: dict[str, list[str]]) -> None:
    door.exit_code = 1 if faults else 0
    errors = [{"path": path, "message": message} for path, message in faults]
    if door.screen.as_json:
        door.screen.document({"ok": not errors, "errors": errors, "requires": requires})
        return
    for path, message in faults:
        door.screen.line(f"{path or '(whole)'}: {message}")


def _refuse_other_formats(path: Path) -> None:
    """Other formats are recognised, so that the answer is no riddle of faults."""
    if path.is_dir() or not path.exists():
        return
    unknown = Refused("unavailable", f"{path} is no wfe/1 template; other formats cannot be imported yet.",
                      "Write it as wfe/1 (wfe-mcp templates export quick_fix shows one) and import that.")  # fmt: skip
    if path.suffix.lower() in {".yaml", ".yml", ".toml", ".md", ".xml"}:
        raise unknown
    try:
        value: Any = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError):
        return  # load_definition says what is wrong with it
    if isinstance(value, dict) and "format" not in value and "phases" not in value:
        raise unknown


def _tell(screen: "Screen", definition: dict[str, Any], source: str) -> None:
    screen.line(f"{definition['name']} {definition['version']} ({source}): {definition.get('title', '')}", "bold")
    if definition.get("description"):
        screen.line(definition["description"])
    inputs: dict[str, Any] = definition.get("inputs", {})
    for name, schema in inputs.get("properties", {}).items():
        must = ", required" if name in inputs.get("required", []) else ""
        screen.line(f"input {name} ({schema.get('type', 'any')}{must}): {schema.get('description', '')}")
    for phase in definition.get("phases", []):
        screen.line(f"phase {phase['id']}" + (f": {phase['title']}" if phase.get("title") else ""), "bold")
        for stage, gates in (("before work", phase.get("prompt_gates", [])), ("gate", phase.get("gates", []))):
            for gate in gates:
                more = " ".join(str(gate[key]) for key in ("check", "assurance", "assert", "status") if key in gate)
                screen.line(f"  {stage}: {gate['kind']} {more}".rstrip())
