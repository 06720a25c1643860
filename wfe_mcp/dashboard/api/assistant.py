"""Operations on the assistant: a question, answered whole or as a stream of Server-Sent Events.

The stream has messages ``text`` (a piece of what it says), ``reads`` (what it looks at), and at its end ``answer`` (the answer as without a stream)
or ``refused``. Closing the stream stops the model.
"""

import json
import logging
import threading
from collections.abc import AsyncGenerator
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Annotated

import anyio
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.api.access import Caller, Works
from wfe_mcp.dashboard.api.bodies import Body, OfProject
from wfe_mcp.dashboard.api.live import PING_S
from wfe_mcp.dashboard.api.replies import answer_of, reply
from wfe_mcp.views.answers.assistant import QUESTION_CHARS, AssistantView, assistant
from wfe_mcp.views.moves.envelope import Envelope

router = APIRouter()

log = logging.getLogger("wfe_mcp.dashboard.api")

_POLL_S = 0.1
_LOG = "Ask again; the log of the page has the details."

Text = Annotated[str, Field(max_length=QUESTION_CHARS)]


class Turn(Body):
    """A question of this conversation and its answer."""

    question: Text
    answer: Annotated[str, Field(max_length=100_000)]


class AssistantQuestion(OfProject):
    """A question, and the conversation before it, oldest first. ``stream``: answer as Server-Sent Events."""

    question: Text
    earlier: Annotated[list[Turn], Field(max_length=50)] = Field(default_factory=list[Turn])
    stream: bool = False


@router.post("/assistant", response_model=answer_of(AssistantView), tags=["assistant"])
def ask_assistant(caller: Works, body: AssistantQuestion) -> Response:
    """Ask about runs, work items, history and templates. The assistant reads; it changes nothing."""
    if body.stream:
        return EventSourceResponse(_stream(caller, body), ping=PING_S, headers={"cache-control": "no-store"})
    return _answer(caller, body, SimpleQueue(), threading.Event())


def _answer(
    caller: Caller, body: AssistantQuestion, messages: SimpleQueue[tuple[str, str]], stop: threading.Event
) -> JSONResponse:
    earlier = [(turn.question, turn.answer) for turn in body.earlier]
    try:
        return reply(
            assistant(
                caller.engine(body.project),
                caller.by,
                body.question,
                earlier,
                on_text=lambda text: messages.put(("text", text)),
                on_read=lambda what: messages.put(("reads", what)),
                should_stop=stop.is_set,
            )
        )
    except Refused as refused:
        return reply(Envelope(False, summary=refused.message, error=refused))


async def _stream(caller: Caller, body: AssistantQuestion) -> AsyncGenerator[ServerSentEvent]:
    messages: SimpleQueue[tuple[str, str]] = SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            answer = _answer(caller, body, messages, stop)
        except Exception as bug:
            log.exception("the assistant failed")
            answer = reply(
                Envelope(False, error=Refused("internal", f"The assistant failed: {type(bug).__name__}.", _LOG))
            )
        messages.put(
            ("answer" if answer.status_code < HTTPStatus.BAD_REQUEST else "refused", bytes(answer.body).decode())
        )

    threading.Thread(target=work, name="wfe-assistant", daemon=True).start()
    try:
        while not caller.access.is_ending:
            try:
                kind, text = messages.get_nowait()
            except Empty:
                await anyio.sleep(_POLL_S)
                continue
            is_over = kind in {"answer", "refused"}
            yield ServerSentEvent(text if is_over else json.dumps({"text": text}, ensure_ascii=False), event=kind)
            if is_over:
                return
    finally:
        stop.set()
