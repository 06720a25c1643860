"""MCP resources, and completion of the names in their addresses.

wfe://runs/{run}                                 the whole status
wfe://runs/{run}/context                         what the next worker of the run must know, as Markdown
wfe://runs/{run}/artifacts/{phase}/{artifact}    the newest revision in full: tools cut at 10 kB
wfe://templates/{name}                           the definition
wfe://schemas/{name}                             the JSON Schema of a typed artifact
wfe://project                                    languages, folders with a manifest, checks

The list names the newest open runs, so that a client can offer them.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import mcp_types as mcp_types
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

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
        return await read(lambda engine: views.reading.list_templates(engine, By(), name=name).data["template"])

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
