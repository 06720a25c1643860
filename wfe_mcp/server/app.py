"""The MCP server application.

    frame ──► SDK ──► WfeServer.call_tool ──► arguments ──► tool ──► views.answers ──► envelope ──► result

Rules:
1. Every failure of a call becomes an envelope: a refusal unchanged, a crash as ``internal`` with its traceback in the
   log (``result``). Only protocol errors stay JSON-RPC errors.
2. The list of tools never changes within a process; the front's cache relies on it.
3. Unknown names, wrong types and arguments of another action are refused, all at once, each with a JSON pointer and what was expected.
   Text that cannot be stored (NUL, a lone surrogate) or is too long is refused.
4. ``null`` for an optional argument is the same as omitting it.
5. One conversion: where an object or a list is wanted, text that is exactly one in strict JSON counts as it, because some
   clients and models send it so. Every other text stays text, whatever it looks like.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import anyio
import mcp.server.mcpserver.server as sdk_server
import mcp_types
from anyio.abc import TaskGroup
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.mcpserver.tools import Tool
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from pydantic import AnyUrl, ValidationError
from pydantic_core import ErrorDetails

from wfe_mcp import __version__
from wfe_mcp.core.errors import Detail, Refused, near_miss, nearest_hint, pointer
from wfe_mcp.core.observing import observe
from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.server.json_texts import read_json_texts
from wfe_mcp.server.project_session import AskRoots, ProjectSession, no_roots
from wfe_mcp.server.resources import ICONS, add_completions, add_prompts, add_resources, open_runs
from wfe_mcp.server.result import refusal, refused_by, tool_result
from wfe_mcp.server.run_changes import RunChanges
from wfe_mcp.server.tool_request import Ctx, ToolRequest, by_client, is_modern, roots_of
from wfe_mcp.server.tools import BY_ACTION, tools
from wfe_mcp.views.moves.envelope import Envelope

INSTRUCTIONS = (
    "wfe is the referee of this project's workflows. Call status first: it lists open runs and, in next, the call to "
    "make now. To start planned, tested or reviewed work: list_templates, then start_run.\n"
    "Then repeat: start_phase (prompt and output schema) → do the work → submit_artifact. The server checks the schema, "
    "runs the tests and asks the user where the template says so. Follow next[0]; fill what its need points to. On "
    "ok:false read error.hint and details, fix what they name and call again. needs_human is not a failure: show the user "
    "error.hint, then call status with wait_s. Never edit .wfe/, never approve for the user, and report only "
    "what the server confirmed."
)

ROOTS_KEY = "wfe-roots"

log = logging.getLogger("wfe_mcp.server")


def _leave_logging_alone(level: object = None) -> None:
    """Replaces the SDK's set-up, which imports rich (40 ms) to colour a log; cli and stdio configure the log."""


sdk_server.configure_logging = _leave_logging_alone  # pyright: ignore[reportPrivateImportUsage] - there is no switch for it


class WfeServer(MCPServer[None]):
    """The MCP server of one project."""

    def __init__(self, place: ProjectSession) -> None:
        self._tools = tools()
        bus = InMemorySubscriptionBus()
        super().__init__(
            "wfe",
            title="Workflow engine",
            version=__version__,
            instructions=INSTRUCTIONS,
            icons=ICONS,
            tools=list(self._tools.values()),
            lifespan=self._alive,
            subscriptions=bus,
        )
        self.place = place
        self._background: TaskGroup | None = None
        self._asked_roots = False
        self._greeted = False
        self.middleware.append(self._begin)
        self._changes = RunChanges(place, bus)
        self._changes.serve(self._lowlevel_server)
        add_resources(self, place)
        add_prompts(self, place)
        add_completions(self, place)

    async def serve(self, incoming: Any, outgoing: Any, *, greeted: bool = False) -> None:
        """Serve one client over two streams of ``SessionMessage`` until the incoming one ends.

        ``greeted``: a stateless client has its lists already; its next message may be a much later call.
        """
        self._greeted = greeted
        low = self._lowlevel_server
        changes = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        await low.run(incoming, outgoing, low.create_initialization_options(changes))

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> mcp_types.CallToolResult | mcp_types.InputRequiredResult:
        """Answer one call, with an envelope or with a question to the user through the client."""
        assert context is not None  # the SDK always passes it; no code here calls tools
        with observe("tool", name if name in self._tools else "unknown") as observation:
            try:
                if self._must_ask_roots(context):
                    return mcp_types.InputRequiredResult(input_requests={ROOTS_KEY: mcp_types.ListRootsRequest()})
                answered = await self._answer_call(name, arguments, context)
            except MCPError:
                raise
            except Exception as failed:
                answered = await self._refusal(refused_by(failed, name), arguments, context)
            if isinstance(answered, mcp_types.InputRequiredResult):
                return answered
            observation.code = "ok" if answered.error is None else answered.error.code
            return tool_result(answered)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[None, Any] | None = None
    ) -> mcp_types.GetPromptResult | mcp_types.InputRequiredResult:
        """The prompt, or an error of the caller: the SDK takes an unknown name and a missing argument for bugs and logs them."""
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as fault:
            takes = {prompt.name: [arg.name for arg in prompt.arguments or ()] for prompt in await self.list_prompts()}
            why, hint = f"{str(fault)[:300]}.", ""
            if name not in takes:
                hint = nearest_hint(name, takes, f"There are: {', '.join(takes)}.")
            elif unknown := sorted({*(arguments or {})} - {*takes[name]}):
                why = f"{unknown[0][:100]!r} is not an argument of it."
                hint = nearest_hint(unknown[0], takes[name], f"It takes: {', '.join(takes[name])}.")
            raise MCPError(
                mcp_types.INVALID_PARAMS, f"Prompt {name[:100]!r} cannot be given: {why} {hint}".rstrip()
            ) from None

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[None, Any] | None = None
    ) -> Iterable[ReadResourceContents] | mcp_types.InputRequiredResult:
        """The resource; where the SDK knows no such address, which ones there are."""
        try:
            return await super().read_resource(uri, context)
        except ResourceNotFoundError as fault:
            if isinstance(fault.__cause__, Refused):
                raise
            addresses = [str(fixed.uri) for fixed in await super().list_resources()]
            addresses += [kind.uri_template for kind in await self.list_resource_templates()]
            hint = nearest_hint(str(uri), addresses, f"There are: {', '.join(addresses)}.")
            no = Refused("bad_argument", f"There is no resource {str(uri)[:_SHOWN_CHARS]!r}.", hint)
            raise ResourceNotFoundError(str(no)) from None

    async def list_resources(self) -> list[mcp_types.Resource]:
        """The fixed addresses, and the open runs once the project is open."""
        return [*await super().list_resources(), *await open_runs(self.place)]

    async def _answer_call(
        self, name: str, arguments: dict[str, Any], context: Ctx
    ) -> Envelope | mcp_types.InputRequiredResult:
        tool = self._tools.get(name)
        if tool is None:
            raise unknown_tool(name, list(self._tools))
        self.place.refuse_tool(name)
        accepted = check_arguments(tool, arguments)
        engine = await self.place.engine(partial(self._roots, context))
        if name != "status" or accepted.get("run"):  # otherwise ``_begin`` starts it after the answer
            self._start(no_roots)
        call = ToolRequest(engine, self.place, self.place.by or by_client(context), context, self._go_on)
        return cast("Envelope | mcp_types.InputRequiredResult", await tool.fn(call=call, **accepted))

    async def _refusal(self, refused: Refused, arguments: dict[str, Any], context: Ctx) -> Envelope:
        try:
            engine = await self.place.engine(partial(self._roots, context))
        except Exception:  # the call has reported it
            return Envelope(False, summary=refused.message, error=refused)
        return await self.place.in_thread(partial(refusal, engine, refused, arguments))

    # -- the project and the background work -------------------------------------------------------------------------

    @asynccontextmanager
    async def _alive(self, server: MCPServer[None]) -> AsyncGenerator[None]:
        del server
        try:
            async with anyio.create_task_group() as background:
                self._background = background
                if self.place.is_open or (self._greeted and self.place.is_settled):
                    self._start(no_roots)
                yield
                background.cancel_scope.cancel()
        finally:
            self._background = None
            with anyio.CancelScope(shield=True):
                await self.place.close()

    async def _begin(self, ctx: ServerRequestContext[None, Any], call_next: CallNext) -> HandlerResult:
        """Start the worker after the client's first message, unless its folders can only be asked for within a call."""
        answer = await call_next(ctx)
        self._changes.meet(ctx.session)
        if ctx.method != "initialize" and not self._folders_come_later(ctx.session):
            self._start(partial(roots_of, ctx.session))
        return answer

    def _go_on(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._background is not None:
            self._background.start_soon(work)

    def _start(self, ask_roots: AskRoots) -> None:
        if self._background is not None and not self.place.is_started:
            self._background.start_soon(self._work, ask_roots)

    async def _work(self, ask_roots: AskRoots) -> None:
        """Start the worker, then tell the client which runs change."""
        await self.place.start(ask_roots)
        if self.place.is_started:
            await self._changes.follow()

    def _folders_come_later(self, session: ServerSession) -> bool:
        """True when the client's folders can be asked for only within a call, as in the stateless protocol."""
        capabilities = session.client_capabilities
        return (
            is_modern(session.protocol_version)
            and capabilities is not None
            and capabilities.roots is not None
            and not self.place.is_settled
        )

    def _must_ask_roots(self, context: Ctx) -> bool:
        if self._asked_roots or not self._folders_come_later(context.session):
            return False
        self._asked_roots = True  # once: a client that does not support the question would never get an answer
        return True

    async def _roots(self, context: Ctx) -> Sequence[str]:
        brought = (context.input_responses or {}).get(ROOTS_KEY)
        if isinstance(brought, mcp_types.ListRootsResult):
            return [str(root.uri) for root in brought.roots]
        return await roots_of(context.session)


_SHOWN_CHARS = 80


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The validated arguments for the body of ``tool``. Refuses ``bad_argument``."""
    known: dict[str, Any] = tool.parameters.get("properties", {})
    required: list[str] = tool.parameters.get("required", [])
    optional = known.keys() - set(required)
    values = {name: value for name, value in arguments.items() if value is not None or name not in optional}
    details = [_unknown_argument(name, known) for name in values if name not in known]
    read, no_json = read_json_texts({name: value for name, value in values.items() if name in known}, known)
    accepted: dict[str, Any] = {}
    try:
        accepted = tool.fn_metadata.arg_model.model_validate(read, strict=True).model_dump_one_level()
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            details += no_json.get(str(error["loc"][0])) or (_wrong_argument(error, known),)
    details += _without_effect(tool.name, values)
    if details:
        raise Refused(
            "bad_argument",
            _refusal_message(tool.name, details),
            _COMMANDS.get((tool.name, details[0].got), "Call it again with the arguments named in details."),
            tuple(details),
        )
    refuse_unkept(accepted)
    return accepted


def unknown_tool(name: str, tools: list[str]) -> Refused:
    """The refusal for an unknown tool."""
    hint = nearest_hint(name, tools, f"Tools: {', '.join(tools)}.")
    detail = Detail("", "no such tool", expected=tools, got=name[:_SHOWN_CHARS])
    return Refused("bad_argument", f"There is no tool {name[:_SHOWN_CHARS]!r}.", hint, (detail,))


def _refusal_message(tool: str, details: list[Detail]) -> str:
    first = details[0]
    more = f" ({len(details) - 1} more in details)" if len(details) > 1 else ""
    text = f"{tool} cannot take these arguments: {first.path or 'the whole'} {first.message}{more}"
    return text if text.endswith("?") else f"{text}."


def _unknown_argument(name: str, known: Mapping[str, Any]) -> Detail:
    message = f"is not an argument of this tool{near_miss(name, known)}"
    return Detail(pointer(name[:_SHOWN_CHARS]), message, expected=sorted(known))


def _without_effect(tool: str, values: Mapping[str, Any]) -> Iterator[Detail]:
    """The arguments that only other actions of ``tool`` take."""
    actions = BY_ACTION.get(tool, {})
    action = str(values.get("action"))
    if action not in actions:
        return
    for name in (name for name, value in values.items() if value and name not in actions[action]):
        if takers := [repr(other) for other, names in actions.items() if name in names]:
            message = f"has no effect with action {action!r}, only with {' or '.join(takers)}"
            yield Detail(
                pointer(name), message, expected=sorted({"action", *actions[action]}), got=_small(values[name])
            )


def _wrong_argument(error: ErrorDetails, known: Mapping[str, Any]) -> Detail:
    name = str(error["loc"][0]) if error["loc"] else ""
    expected = {key: value for key, value in known.get(name, {}).items() if key != "description"}
    got = None if error["type"] == "missing" else _small(error["input"])
    text = _MESSAGES.get(error["type"])
    message = error["msg"].lower() if text is None else text.format(**error.get("ctx", {}))
    message += near_miss(str(got), expected.get("enum", ()))
    return Detail(pointer(*error["loc"]), message, expected or None, got)


_COMMANDS: Mapping[tuple[str, object], str] = {
    ("work", action): f"That is a command of the terminal: wfe-mcp work {action} {words}".rstrip()
    for action, words in (
        ("import", "FILE"),
        ("export", "FOLDER"),
        ("attach", "ITEM FILE"),
        ("promote", "ITEM"),
        ("report", ""),
    )
}
"""What is no action of a tool and has a command, by the tool and the action."""

_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
}
"""Kinds of errors in plain words; the names in braces are of the error's context."""


def _small(value: object) -> object:
    """The found value, short enough to quote."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…"
    return "an object" if isinstance(value, dict) else "a list"
