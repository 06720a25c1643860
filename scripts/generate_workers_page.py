"""Writes docs/reference/workers.md, about the server's workers, from their code.

python scripts/generate_workers_page.py          write the page where it differs
python scripts/generate_workers_page.py --check  write nothing; exit 1 when it differs
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.generated import write_or_check  # noqa: E402 - after the path is set

PAGE = "docs/reference/workers.md"

Lines = Iterator[str]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(arguments, __file__, __doc__, lambda: {root / PAGE: page()})


def page() -> str:
    """The whole page."""
    return "\n".join([*_tools(), "", *_agents(), "", *_outputs()]) + "\n"


def _tools() -> Lines:
    from wfe_mcp.engine.toolbox import EVERYDAY, TOOLS, toolbox
    from wfe_mcp.workspace.config.checks import FrozenCheck

    a_check = FrozenCheck(name="test", argv=("true",), timeout_s=1.0)
    made = toolbox(TOOLS, Path(), evidence_dir=Path(), checks=[a_check], shell_allowed=True)
    yield "<!-- Written by scripts/generate_workers_page.py from wfe_mcp/engine/toolbox and wfe_mcp/providers. -->"
    yield ""
    yield "# Workers that the server drives"
    yield ""
    yield "## Tools of a model"
    yield ""
    yield "A model that works a phase gets the tools that `tools_allowed` of the phase names; where it names none, all but"
    yield "those marked *named only*. They stay inside the project: no path leaves it, no link is followed, `.git` is out of"
    yield "reach and `.wfe` is never written. `bash` is given only where it is also trusted, and sees none of your keys. A"
    yield "refusal is an answer that says what to do instead, and no answer is longer than 20 kB."
    yield ""
    rows = [
        (
            f"`{tool.name}`" + ("" if tool.name in EVERYDAY else " (named only)"),
            tool.description,
            ", ".join(
                f"`{name}`" if name in tool.parameters["required"] else f"[`{name}`]"
                for name in tool.parameters["properties"]
            ),
        )
        for tool in made
    ]
    yield from _table(("tool", "what it does", "arguments, [optional]"), rows)


def _agents() -> Lines:
    from wfe_mcp.providers.agents import AGENTS
    from wfe_mcp.providers.agents.agent import AUTHORITIES, PROXY

    yield "## Command-line agents"
    yield ""
    yield "A provider of these kinds is a program that works in the project as a child process, with tools of its own. Its"
    yield "prompt comes by standard input; it gets the variables listed, those that its option `env` names, and the key that"
    yield "is configured for it. MCP servers of its own configuration stay off where it has an option for it (`mcp_servers = true`"
    yield "in its options lets them on): yours would offer it the very run that it works for."
    yield ""
    yield f"To reach their vendors, all of them get {_codes(PROXY)} from `[http] proxy` of your own"
    yield f"configuration, and {_codes(AUTHORITIES)} from its `ca_file`; what the environment says of them does not pass."
    for kind, agent in AGENTS.items():
        yield ""
        yield f"### {kind}"
        yield ""
        yield f"- Program: `{' '.join(agent.program)}`; install it with `{agent.install}`, then {agent.login}."
        yield f"- Options: {_codes((*agent.options, 'env'))}."
        yield f"- Variables that pass: {_codes(agent.variables)}."


def _outputs() -> Lines:
    from wfe_mcp.providers.output import output_paragraph
    from wfe_mcp.workspace.config.provider_kinds import FS_ABILITIES, KIND_FACTS

    yield "## Where the output goes"
    yield ""
    yield "`fs_ability` says what a provider can do with files of the project. It decides the paragraph at the end of the"
    yield "prompt of a command-line agent or of a `manual` provider; the schema of the output follows it."
    yield ""
    defaults = {
        ability: [kind for kind, facts in KIND_FACTS.items() if not facts.is_network and facts.fs_ability == ability]
        for ability in FS_ABILITIES
    }
    rows = [
        (
            f"`{ability}`" + (f" (default of {_codes(defaults[ability])})" if defaults[ability] else ""),
            output_paragraph(ability, "PATH/output.json", {}).split("\n\n")[1].replace("```json", "json"),
        )
        for ability in FS_ABILITIES
    ]
    yield from _table(("fs_ability", "what the prompt says"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Lines:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
