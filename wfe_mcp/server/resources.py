"""MCP resources with completion of the names in their addresses, and prompts: ready sentences that clients show as slash commands.

wfe://runs/{run}                                 the whole status
wfe://runs/{run}/context                         what the next worker of the run must know, as Markdown
wfe://runs/{run}/artifacts/{phase}/{artifact}    the newest revision in full: tools cut at 10 kB
wfe://templates/{name}                           the definition
wfe://schemas/{name}                             the JSON Schema of a typed artifact
wfe://project                                    languages, folders with a manifest, checks

The list names the newest open runs, so that a client can offer them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Annotated, Any

import mcp_types as mcp_types
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.prompts import Prompt
from mcp_types import Icon
from pydantic import Field

from wfe_mcp import views
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.project_session import ProjectSession

JSON = "application/json"
MANY = 100
"""A completion has at most 100 values (the protocol's limit)."""

LISTED = 20
"""The list of resources has at most so many runs; every other one is read by its address."""

_NOT_FOUND = {"unknown_run", "unknown_phase", "unknown_template", "unknown_artifact", "bad_argument"}


def add_resources(server: MCPServer[None], place: ProjectSession) -> None:
    """Register the kinds of resources."""

    async def read(ask: Callable[[Engine], Any]) -> str:
        try:
            engine = await place.engine()
            content = await place.in_thread(partial(ask, engine))
        except Refused as refused:
            kind = ResourceNotFoundError if refused.code in _NOT_FOUND else ResourceError
            raise kind(str(refused)) from refused
        return content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False)

    async def run(run: str) -> str:
        """A run: its state, every phase with attempts and verdicts."""
        return await read(lambda engine: views.tool_answers.status(engine, By(), run, "full").to_dict())

    async def artifact(run: str, phase: str, artifact: str) -> str:
        """The newest revision of an artifact, in full."""
        return await read(lambda engine: _artifact(engine, run, phase, artifact))

    async def context(run: str) -> str:
        """What the next worker must know: task, goal, reports, why the run came back, commits, changed files, blockers."""
        return await read(lambda engine: _context(engine, run))

    async def template(name: str) -> str:
        """The definition of a workflow template."""
        return await read(lambda engine: _template(engine, name))

    async def schema(name: str) -> str:
        """The JSON Schema of a typed artifact, such as plan@1."""
        return await read(lambda _: _schema(name))

    async def project() -> str:
        """The project: languages, folders with a manifest, configured and proposed checks."""
        return await read(_project)

    server.resource("wfe://project", title="Project", mime_type=JSON)(project)
    server.resource("wfe://runs/{run}", title="Run", mime_type=JSON)(run)
    server.resource("wfe://runs/{run}/context", title="Context of a run", mime_type="text/markdown")(context)
    server.resource("wfe://runs/{run}/artifacts/{phase}/{artifact}", title="Artifact", mime_type=JSON)(artifact)
    server.resource("wfe://templates/{name}", title="Template", mime_type=JSON)(template)
    server.resource("wfe://schemas/{name}", title="Artifact schema", mime_type="application/schema+json")(schema)


async def open_runs(place: ProjectSession) -> list[mcp_types.Resource]:
    """The newest open runs of the project as resources; none while it is not open, which a list must not wait for."""
    if not place.is_open:
        return []
    engine = await place.engine()
    return await place.in_thread(partial(_open_runs, engine))


def add_completions(server: MCPServer[None], place: ProjectSession) -> None:
    """Complete the names of runs, phases, templates and schemas."""

    async def complete(
        ref: mcp_types.PromptReference | mcp_types.ResourceTemplateReference,
        argument: mcp_types.CompletionArgument,
        context: mcp_types.CompletionContext | None,
    ) -> mcp_types.Completion | None:
        others = (context.arguments if context is not None else None) or {}
        try:
            engine = await place.engine()
            names = await place.in_thread(partial(_names, engine, ref, argument.name, others))
        except Refused:
            return None
        hits = [name for name in names if name.lower().startswith(argument.value.lower())]
        return mcp_types.Completion(values=hits[:MANY], total=len(hits), has_more=len(hits) > MANY)

    server.completion()(complete)


def _names(
    engine: Engine,
    ref: mcp_types.PromptReference | mcp_types.ResourceTemplateReference,
    argument: str,
    given: dict[str, str],
) -> Iterable[str]:
    from wfe_mcp.engine.templates.catalogue import offers

    if isinstance(ref, mcp_types.ResourceTemplateReference) and argument == "name" and "schemas" in str(ref.uri):
        from wfe_mcp.artifacts.registry import known_schemas

        return known_schemas()
    match argument:
        case "run":
            with engine.store.read() as tx:
                return [run.id for run in tx.runs.page(engine.project_id, limit=MANY).runs]
        case "phase" if given.get("run"):
            overview = views.envelopes.overview_of(engine, given["run"])
            return [attempt.phase for attempt in overview.loaded.state.open_attempts]
        case "artifact" if given.get("run"):
            overview = views.envelopes.overview_of(engine, given["run"])
            paths = (phase.path for phase in overview.loaded.state.spec.phases)
            return sorted({name for path in paths if (name := overview.plan.artifact_name(path))})
        case "template" | "name":
            return [offer.name for offer in offers(engine)]
        case _:
            return ()


def _open_runs(engine: Engine) -> list[mcp_types.Resource]:
    from wfe_mcp.store.runs.run_list import OPEN_RUNS

    with engine.store.read() as tx:
        runs = tx.runs.page(engine.project_id, status=OPEN_RUNS, limit=LISTED, archived=False).runs
    return [
        mcp_types.Resource(
            uri=f"wfe://runs/{run.id}",
            name=run.id,
            title=run.title or run.template,
            description=f"Run of {run.template}, {run.status}",
            mime_type=JSON,
        )
        for run in runs
    ]


def _template(engine: Engine, name: str) -> object:
    data = views.reading.list_templates(engine, By(), name=name).data
    return data["template"] if name else data


def _artifact(engine: Engine, run: str, phase: str, artifact: str) -> object:
    data = views.tool_answers.read_artifact(engine, By(), run, phase=phase, artifact=artifact).data
    if "content" in data:
        return data["content"]
    with engine.store.read() as tx:
        record = tx.artifacts.revision(engine.load(tx, run).record.id, data["phase"], data["revision"])
    assert record is not None  # it was listed just before, and revisions are never removed
    return json.loads(record.content)


def _context(engine: Engine, run: str) -> str:
    from wfe_mcp.views.artifacts.context_pack import context_pack
    from wfe_mcp.views.artifacts.context_text import context_text

    return context_text(context_pack(engine, views.envelopes.overview_of(engine, run), whole=True))


def _project(engine: Engine) -> object:
    from wfe_mcp.views.project.project import project_view
    from wfe_mcp.views.values.model import plain

    return plain(project_view(engine))


def _schema(name: str) -> dict[str, Any]:
    from wfe_mcp.artifacts.registry import json_schema, known_schemas

    known = known_schemas()
    if name not in known:
        hint = nearest_hint(name, known, f"Schemas: {', '.join(known)}.")
        raise Refused("bad_argument", f"No artifact schema {name!r}.", hint)
    return json_schema(name)


_LOOP = (
    "Then follow next[0] of every answer: start_phase, do the work, submit_artifact. When an answer says needs_human, "
    "show me error.hint and wait with status(run=…, wait_s=45)."
)


def add_prompts(server: MCPServer[None], place: ProjectSession) -> None:
    """Register the four prompts."""
    for prompt in _prompts():
        server.add_prompt(prompt)

    async def handoff(run: Annotated[str, Field(description="Which run; without it the newest open one")] = "") -> str:
        """Describe the state of a run for the agent that continues it."""
        try:
            engine = await place.engine()
            page = await place.in_thread(partial(_page, engine, run))
        except Refused as refused:
            return " ".join(("wfe run", *filter(None, (run,)), f"cannot be handed over: {refused.text}"))
        return f"{_HANDOFF}\n\n{page}"

    server.add_prompt(Prompt.from_function(handoff, title="Hand a run over", icons=ICONS))


_HANDOFF = (
    "Hand this wfe run over to the agent that continues it. The page below is what the server confirms; keep it unchanged, and "
    "add below it what you know beyond it: what was tried and failed, and why. Do not repeat or contradict the page."
)


def _page(engine: Engine, run: str) -> str:
    from wfe_mcp.views.reports.handoff import handoff, run_of

    return handoff(engine, run_of(engine, run))


@cache
def _prompts() -> tuple[Prompt, ...]:
    return (
        Prompt.from_function(start, title="Start a workflow", icons=ICONS),
        Prompt.from_function(go_on, name="continue", title="Continue a run", icons=ICONS),
        Prompt.from_function(review, title="Review an artifact", icons=ICONS),
    )


def start(
    goal: Annotated[str, Field(description="What should be done")],
    template: Annotated[str, Field(description="Which workflow; without it the best fit is chosen")] = "",
) -> str:
    """Start planned, tested, reviewed work."""
    choose = (
        f"start_run(template={template!r})"
        if template
        else "list_templates, choose the one that fits best, and start_run"
    )
    return f"Start a wfe workflow for this goal: {goal}\n\nCall {choose}. {_LOOP}"


def go_on(run: Annotated[str, Field(description="Which run; without it the open one")] = "") -> str:
    """Continue an open run."""
    which = f"status(run={run!r})" if run else "status, and choose the open run (ask me when there are several)"
    return f"Continue the wfe workflow. Call {which}. {_LOOP}"


def review(
    run: Annotated[str, Field(description="Which run")],
    phase: Annotated[str, Field(description="Which phase; without it the one that waits for me")] = "",
) -> str:
    """Review what waits for a decision. The user decides."""
    what = f"phase {phase!r}" if phase else "the phase that waits for me"
    return (
        f"Help me to review {what} of wfe run {run}. Call status(run={run!r}, detail='full') and read_artifact, then tell "
        "me briefly: what was requested, what is delivered, what the gates found, what is risky or missing. Do not "
        "approve or reject: I decide. At the end give the command or call that asks me."
    )


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -3 22 22"><rect x="1" y="5" width="6" height="6" rx="1" '
    'fill="#5b6cf0"/><path d="m15 2 6 6-6 6-6-6Z" fill="none" stroke="#5b6cf0" stroke-width="1.8" '
    'stroke-linejoin="round"/></svg>'
)
"""Kept here too: reading the page's file would cost the start of the server a file. A test keeps both equal."""

ICONS = [
    Icon(src=f"data:image/svg+xml;base64,{b64encode(SVG.encode()).decode()}", mime_type="image/svg+xml", sizes=["any"])
]
