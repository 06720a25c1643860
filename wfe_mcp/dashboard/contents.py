"""The content of a request on its own: the whole text, the change as text, an attached file."""

import json
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from wfe_mcp.core.texts import clean
from wfe_mcp.dashboard.answers import unknown
from wfe_mcp.dashboard.decision_page import changes_shown
from wfe_mcp.dashboard.diff_table import unified_text
from wfe_mcp.dashboard.engines import Engines


class Contents:
    """Answers that hold one content. Who has the link of a request may read them, as they may read its page."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def whole(self, request: Request, session: str) -> Response:
        """The whole prompt or artifact of a request, as text."""
        del session
        view = self._engines.view(request.path_params["request"])
        if view is None or view.shown is None:
            return unknown()
        prompt, artifact = view.shown.prompt, view.shown.artifact
        text = (
            (prompt.text or "") if prompt else json.dumps(artifact and artifact.content, indent=2, ensure_ascii=False)
        )
        return PlainTextResponse(clean(text))

    def diff(self, request: Request, session: str) -> Response:
        """The change of a request, as text."""
        del session
        view, params = self._engines.view(request.path_params["request"]), request.query_params
        numbers = [params.get("since", "0"), params.get("file", "0")]
        if view is None or view.shown is None or not all(number.isdecimal() and len(number) < 10 for number in numbers):
            return unknown()
        since, file = map(int, numbers)
        changes = changes_shown(view, view.shown)
        files = changes[since].files if since < len(changes) else ()
        return PlainTextResponse(clean(unified_text(files[file : file + 1] if "file" in params else files)))

    def attachment(self, request: Request, session: str) -> Response:
        """A file attached to what a request asks about. Pictures and text are shown; others are only saved."""
        del session
        view, number = self._engines.view(request.path_params["request"]), request.path_params["number"]
        shown = () if view is None or view.shown is None else view.shown.attachments
        if view is None or all(attachment_shown.number != number for attachment_shown in shown):
            return unknown()
        with self._engines.engine.store.read() as tx:
            record = tx.attachments.get(view.request.run_id, number)
        if record is None:
            return unknown()
        if record.media_type == "text/plain":
            return PlainTextResponse(clean(record.content.decode()))
        return saved_file(record.name, record.media_type, record.content)


def saved_file(name: str, media_type: str, content: bytes) -> Response:
    """An attached file, byte by byte. Pictures are shown; others are only saved."""
    how = "inline" if media_type.startswith("image/") else "attachment"
    named = {"content-disposition": f"{how}; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=media_type, headers=named)
