"""Writes docs/reference and the map of packages in architecture.md from the code.

python scripts/generate_reference.py          write what differs
python scripts/generate_reference.py --check  write nothing; exit 1 and name what differs

Only docs/reference/glossary.md is not generated.
"""

import ast
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import (  # noqa: E402
    codes_page,
    markdown as md,
    runners_page,
    template_page,
    transitions_page,
)

REFERENCE = "docs/reference"
ARCHITECTURE = "docs/explanation/architecture.md"
BEGIN, END = "<!-- {name}: begin, by scripts/generate_reference.py -->\n", "<!-- {name}: end -->"
NOTE = "<!-- Written by scripts/generate_reference.py from {source}. Change that, not this page. -->"

Lines = Iterator[str]
Schema = dict[str, Any]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when all is as generated (now), 1 when ``--check`` found differences, 2 when misused."""
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    wanted = documents(root)
    stale = [name for name, text in wanted.items() if _text(root / name) != text]
    for name in stale:
        if "--check" in arguments:
            print(f"{name} is not what the code says. Next: python scripts/generate_reference.py", file=sys.stderr)
            continue
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        print(name)
    return 1 if stale and "--check" in arguments else 0


def documents(root: Path = ROOT) -> dict[str, str]:
    """Path below the repository → text of every generated page, and the page of the architecture with its map."""
    pages = {
        f"{REFERENCE}/{name}": "\n".join([NOTE.format(source=source), "", *make()]) + "\n"
        for name, (source, make) in PAGES.items()
    }
    return pages | {
        ARCHITECTURE: _with_table(root / ARCHITECTURE, "packages", md.table(("package", "provides"), packages(root))),
    }


def _with_table(path: Path, name: str, table: Lines) -> str:
    """The page with ``table`` between the marks of ``name``."""
    begin, end, lines = BEGIN.format(name=name), END.format(name=name), "\n".join(table)
    before, _, rest = (_text(path) or "").partition(begin)
    return f"{before}{begin}{lines}\n{end}{rest.partition(end)[2]}"


def packages(root: Path) -> Iterator[tuple[str, str]]:
    """The packages of wfe_mcp, two levels deep, each with the first sentence of its docstring."""
    for package in sorted([*root.glob("wfe_mcp/*/__init__.py"), *root.glob("wfe_mcp/*/*/__init__.py")]):
        docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
        path = package.parent.relative_to(root).as_posix()
        yield f"`{path}/`", md.first_sentence(docstring.partition("\n\n")[0])


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


# -- pages -----------------------------------------------------------------------------------------------------------


ABOUT_LIMITS = """Above a limit it is refused; the refusal names the limit, the value found and what to do. What is stored already stays
readable, whatever the limits are. Lint and validation take time that grows with the size.

A JSON Schema with many branches can take exponential time. It is estimated first: the schemas that meet one part of a value when
each reference is replaced by what it names. Above the limit the schema is refused, in milliseconds. Times the parts of the value it
is the work of a check; listing many faults, and references that lead back to themselves in two ways, are left to a child process
that is ended at its limits. No transaction waits for it: where the server itself makes such a value, a job checks it first."""


def limit_table() -> Lines:
    from wfe_mcp.core.limits import TABLE

    rows = [(one.of, f"{one.most:,} {one.unit}", one.remedy) for one in TABLE]
    yield from ("# Limits", "", *md.table(("of", "at most", "what to do above it"), rows), "", ABOUT_LIMITS)


def configuration() -> Lines:
    from wfe_mcp.workspace.config.layers import FROM_ENVIRONMENT
    from wfe_mcp.workspace.config.settings_tables import Settings

    yield "# Configuration"
    yield ""
    yield "A project's `.wfe/config.toml` and your own file have the same shape. Yours is `~/.config/wfe-mcp/config.toml` on"
    yield "Linux, `~/Library/Application Support/wfe-mcp/config.toml` on macOS and `%LOCALAPPDATA%\\wfe-mcp\\config.toml` on"
    yield "Windows. The first layer that has a value wins, key by key: the environment, the project, your own file, the"
    yield "default. `wfe-mcp config show --origin` names each value that holds and where it comes from."
    yield ""
    yield "The project's file counts once you have trusted exactly its bytes (`wfe-mcp trust`). What strengthens a gate"
    yield "counts from any bytes, and holds until you trust bytes without it. An unknown key or a wrong value is"
    yield "reported by `wfe-mcp doctor` and left out; the rest counts."
    schema = Settings.model_json_schema()
    for name, given in schema["properties"].items():
        found = _resolved(given, schema)
        yield from ("", f"## {name}", "", md.plain(found["description"]), "")
        rows = _setting_rows(name, found, schema)
        yield from md.table(("key", "type", "default", "meaning"), rows)
    yield from ("", "## Environment", "")
    yield "Lists are separated by commas; `auto` takes true or false, on or off, yes or no, 1 or 0."
    yield ""
    variables = [(md.code(variable), f"sets `{key}`") for variable, key in FROM_ENVIRONMENT.items()]
    places = [
        ("`WFE_PROJECT`", "the project's folder; `--project` wins over it"),
        (
            "`WFE_DATABASE_URL`",
            "the database: `sqlite:///` and a path, or `postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE` (with the extra `team`); any other kind is refused (`unavailable`)",
        ),
    ]
    yield from md.table(("variable", "meaning"), [*variables, *places])


def _setting_rows(key: str, schema: Schema, root: Schema) -> Iterator[tuple[str, ...]]:
    """One row per key that holds a value; ``NAME`` is a placeholder for a user-defined name."""
    inner: object = schema.get("additionalProperties")
    if isinstance(inner, dict):
        # The values of a plain map have no description: the map has it.
        told = {"description": schema["description"], "default": None, **_resolved(cast("Schema", inner), root)}
        yield from _setting_rows(f"{key}.NAME", told, root)
    elif "properties" in schema:
        for name, given in schema["properties"].items():
            yield from _setting_rows(f"{key}.{name}", _resolved(given, root), root)
    else:
        default = schema.get("default")
        shown = "" if default is None else md.code(json.dumps(default))
        is_required = "default" not in schema
        meaning = schema["description"].replace("Not used yet", "*Not used yet*")
        yield md.code(key) + (" (required)" if is_required else ""), md.kind(schema), shown, meaning


def _resolved(schema: Schema, root: Schema) -> Schema:
    """``schema`` with its reference followed and its ``null`` left out; its own keys override those of the reference."""
    arms = [arm for arm in schema.get("anyOf", [schema]) if arm.get("type") != "null"]
    assert len(arms) == 1, f"a setting has one type: {schema}"
    found = arms[0]
    if "$ref" in found:
        found = _resolved(root["$defs"][found["$ref"].rsplit("/", 1)[1]], root)
    return {**found, **{key: value for key, value in schema.items() if key not in {"$ref", "anyOf"}}}


def schemas() -> Lines:
    from wfe_mcp.artifacts.registry import SHIPPED, json_schema

    yield "# Artifact schemas"
    yield ""
    yield "This page lists the shipped artifact schemas. A template names one of them, or contains its own JSON Schema."
    yield "Unknown fields are refused. The same as JSON Schema: [schemas/](../../schemas)."
    for name in SHIPPED:
        schema = json_schema(name)
        yield from ("", f"## {name}", "", md.plain(schema["description"]), "")
        yield from md.table(("field", "type", "meaning"), _field_rows("", schema))
        yield from ("", "```json", json.dumps(schema["examples"][0], indent=2, ensure_ascii=False), "```")


def _field_rows(above: str, schema: Schema) -> Iterator[tuple[str, ...]]:
    """One row per field; the fields of a nested object follow, ``[]`` after a list."""
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        shown = md.code(f"{above}{name}") + (" (required)" if name in required else "")
        yield shown, md.kind(field), str(field.get("description", ""))
        inner = field.get("items", field)
        yield from _field_rows(f"{above}{name}{'' if inner is field else '[]'}.", inner)


def tools() -> Lines:
    front = _front()
    yield "# MCP tools"
    yield ""
    yield "What `wfe-mcp serve` offers to a client. A tool that needs a person never waits for one: it stores the request,"
    yield "answers `needs_human`, and names what the person can do."
    yield from (
        "",
        "## The answer",
        "",
        "Each call is answered with the same envelope, as structured content and as text:",
        "",
    )
    yield from md.table(("key", "meaning"), _ENVELOPE)
    for tool in _tools():
        yield from ("", f"## {tool['name']}", "", tool["description"], "")
        yield from md.table(("argument", "type", "meaning"), _argument_rows(tool["inputSchema"]))
    yield from ("", "## Resources", "")
    there = [*front["resources/templates/list"]["resourceTemplates"], *front["resources/list"]["resources"]]
    rows = [(md.code(each.get("uriTemplate") or each["uri"]), each["description"]) for each in there]
    yield from md.table(("address", "what is there"), rows)
    yield from ("", "## Prompts", "", "Clients show these as commands to pick.", "")
    prompts = [
        (
            md.code(each["name"]),
            ", ".join(md.code(one["name"]) + ("" if one.get("required") else "?") for one in each["arguments"]),
            each["description"],
        )
        for each in front["prompts/list"]["prompts"]
    ]
    yield from md.table(("prompt", "arguments", "what it asks the agent"), prompts)


_ENVELOPE = [
    ("`ok`", "false when refused; then `error` says why"),
    ("`run` `phase`", "which run and phase the answer is about"),
    (
        "`state`",
        "the status of the phase's newest attempt; without a phase, of the run ([transitions](transitions.md))",
    ),
    ("`run_state`", "the run's status"),
    ("`waiting_on`", "`agent` `human` `job` `reviewer` or `none`"),
    ("`summary`", "one sentence"),
    (
        "`next`",
        "at most three legal calls, best first: `tool`, `args`, `why`; `need` points to the schema of what to fill in",
    ),
    ("`data`", "what the tool brings"),
    ("`error`", "`code` ([error codes](error-codes.md)), `message`, `hint`, `details`"),
]


def _argument_rows(schema: Schema) -> Iterator[tuple[str, ...]]:
    for name, part in schema.get("properties", {}).items():
        told = [str(part["description"])] if "description" in part else []
        told += [f"default {md.code(json.dumps(part['default']))}"] if part.get("default") not in (None, "") else []
        kind = md.kind(part) + (f", {part['minimum']} to {part['maximum']}" if "maximum" in part else "")
        yield md.code(name) + (" (required)" if name in schema.get("required", []) else ""), kind, "; ".join(told)


def _front() -> dict[str, Any]:
    """The server's own lists (scripts/generate_front.py keeps them fresh); the same in both protocol eras."""
    return json.loads((ROOT / "wfe_mcp/server/front.json").read_text(encoding="utf-8"))["stateless"]


def _tools() -> list[dict[str, Any]]:
    return _front()["tools/list"]["tools"]


def commands() -> Lines:
    from wfe_mcp.cli.app import SECOND_NAMES

    yield "# Commands"
    yield ""
    yield "Each command also takes `--json` (one JSON document on standard output), `--project DIR` (the project, instead of"
    yield "the current one) and `--help`. Exit codes: 0 done, 1 refused or failed, 2 misused."
    yield ""
    yield "A command with `--pin-fd` asks for your PIN at the terminal where it needs a person; `--pin-fd N` reads it from file"
    yield "descriptor N instead (on Windows 0 alone; PowerShell, which has no `<`, pipes `Get-Content FILE` into it). RUN is a run's id"
    yield "or its first characters."
    yield ""
    yield "`--yes` answers a question, `--pin-fd` gives the PIN, and neither stands for the other: without a terminal, a command that asks"
    yield "for both needs both, such as `trust` and `project move`. A command without `--yes`, such as `approve`, shows what it is about and"
    yield "asks for nothing but the PIN."
    yield ""
    yield "Some commands have a second name, by which other systems know them:"
    yield ""
    yield from md.table(
        ("name", "second name"), [(md.code(first), md.code(second)) for second, first in SECOND_NAMES.items()]
    )
    for words, command in _commands():
        shown = [each for each in command.params if each.name not in _SHARED and not each.hidden]
        usage = " ".join([*words, *(_usage(each) for each in shown if _is_argument(each) or each.required)])
        yield from ("", f"## {usage}", "", md.plain(command.help or ""))
        rows = [_option_row(each) for each in shown if not _is_argument(each)]
        rows = [(md.code(_metavar(each)), each.help) for each in shown if _is_argument(each) and each.help] + rows
        if rows:
            yield ""
            yield from md.table(("argument", "meaning"), rows)


_SHARED = {"as_json", "project", "help"}


def _commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words → command, leaves only. Typer includes its own click, so commands are recognized by their attributes."""
    from typer.main import get_command

    from wfe_mcp.cli.app import app

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        inner: dict[str, Any] = getattr(command, "commands", {})
        if not inner:
            yield words, command
        for name, each in inner.items():
            if not each.hidden:
                yield from walk((*words, name), each)

    yield from walk(("wfe-mcp",), get_command(app()))


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).replace("[", "").replace("]", "")


def _usage(parameter: Any) -> str:
    name = _metavar(parameter)
    if _is_argument(parameter):
        return name if parameter.required else f"[{name}]"
    return f"{parameter.opts[0]} {name}"


def _option_row(option: Any) -> tuple[str, ...]:
    names = ", ".join(md.code(name) for name in (*option.opts, *option.secondary_opts))
    shown = names if option.is_flag else f"{names} {md.code(_metavar(option))}"
    default = option.default
    # No default, an empty one and a flag's false are not shown.
    told = f" Default: {default}." if isinstance(default, str | int) and default and default is not True else ""
    return shown, (option.help or "") + told


# -- Markdown --------------------------------------------------------------------------------------------------------


PAGES: dict[str, tuple[str, Callable[[], Lines]]] = {
    "tools.md": ("wfe_mcp/server", tools),
    "commands.md": ("wfe_mcp/cli", commands),
    "configuration.md": ("wfe_mcp/workspace/config/settings_tables.py", configuration),
    "error-codes.md": ("scripts/codes_page.py", codes_page.page),
    "limits.md": ("wfe_mcp/core/limits.py", limit_table),
    "templates.md": ("wfe_mcp/workflow/model", template_page.page),
    "transitions.md": ("wfe_mcp/core/transitions.py", transitions_page.transitions),
    "artifact-schemas.md": ("wfe_mcp/artifacts/models", schemas),
    "test-runners.md": ("wfe_mcp/gates/runners.py", runners_page.page),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
