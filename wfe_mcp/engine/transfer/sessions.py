"""Import of a session of ai-workflow-engine, a folder ``.aiwf/sessions/<id>``.

    session.json   its state, and what was approved (S0-11)
    plan.md, standards-bundle.md
    iteration-1/   planning-*, generation-*, review-* (prompt.md, response.md), code/ (S0-15)
    iteration-2/   revision-*, review-*: one folder for each time that a review failed

Rules:
1. session.json is read as strictly as it was written: an unknown key refuses it, with its pointer.
2. A session that lacks an answer that later work is based on is refused. The last one counts as accepted only where
   session.json says that the session is complete.
3. ``plan_approved`` and the like are what session.json says, not a decision here; a hash that fits no file is reported.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wfe_mcp.artifacts.parse import check_value, parse_json
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.engine.transfer.foreign import Foreign, ForeignPhase, utc
from wfe_mcp.workspace.files.project_files import read_folder

SESSION = "session.json"
KIND = "ai-workflow-engine"
MAX_INPUTS = 8_000_000

_HINT = "Nothing was stored. Import the whole folder .aiwf/sessions/<id>, as ai-workflow-engine left it."

_FILES = {"plan": "planning", "generate": "generation", "review": "review", "revise": "revision"}
"""How the files of a phase begin."""

_WRITES_CODE = {"generate", "revise"}
_CODE = re.compile(r"iteration-[1-9]\d{0,5}/code/.")
_ANSWER = re.compile(r"iteration-[1-9]\d{0,5}/(planning|generation|review|revision)-response\.md")
_BEYOND = "lies beyond where session.json stands"
_KEPT = re.compile(
    r"(plan|standards-bundle|iteration-[1-9]\d{0,5}/(planning|generation|review|revision)-prompt|iteration-[1-9]\d{0,5}/revision-issues)\.md"
)
"""Files that go along as inputs of the run: they are no artifact of a phase."""


Time = Annotated[datetime, AfterValidator(utc)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SessionArtifact(_Strict):
    """A file that was approved."""

    path: str
    phase: Literal["plan", "generate", "review", "revise"]
    iteration: Annotated[int, Field(ge=1)]
    sha256: str | None = None
    created_at: Time


class Session(_Strict):
    """session.json."""

    session_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    profile: str
    context: dict[str, Any] = {}
    phase: Literal["init", "plan", "generate", "review", "revise", "complete", "error", "cancelled"]
    stage: Literal["prompt", "response"] | None = None
    status: Literal["in_progress", "success", "failed", "error", "cancelled"]
    current_iteration: Annotated[int, Field(ge=1, le=1_000)] = 1
    standards_hash: str | None = None
    plan_approved: bool = False
    plan_hash: str | None = None
    prompt_hashes: dict[str, Any] = {}
    review_approved: bool = False
    review_hash: str | None = None
    ai_providers: dict[str, str] = {}
    standards_provider: str | None = None
    metadata: dict[str, Any] = {}
    artifacts: list[SessionArtifact] = []
    pending_action: Any = None
    pending_approval: bool = False
    last_error: str | None = None
    approval_feedback: str | None = None
    suggested_content: str | None = None
    retry_count: int = 0
    created_at: Time
    updated_at: Time
    phase_history: list[dict[str, Any]] = []


def read_session(folder: Path) -> Foreign:
    """The session in ``folder``. Refuses ``invalid_artifact``, ``too_large``, ``path_outside_project``, ``bad_argument``."""
    folder = folder.resolve()
    files = read_folder(folder.parent, folder.name)
    if SESSION not in files:
        raise Refused("bad_argument", f"{folder} holds no {SESSION}.", _HINT, (Detail(SESSION, "is missing"),))
    # Nothing that is stored can hold a name that is no UTF-8.
    named = {path.encode(errors="replace").decode(): content for path, content in files.items()}
    return _SessionReader(named, str(folder)).foreign()


class _SessionReader:
    def __init__(self, files: Mapping[str, bytes], root: str) -> None:
        self._files = files
        self._root = root
        self._lost: list[Detail] = []
        self._raw, self._session = _session(files[SESSION])

    def foreign(self) -> Foreign:
        session = self._session
        places = self._places()
        phases = self._worked_phases(places)
        used = {SESSION, *(path for place in places for path in (_answer(*place), *self._code(*place)))}
        kept = {path: self._text(path) for path in sorted(self._files) if _KEPT.fullmatch(path)}
        for path in sorted(set(self._files) - used - set(kept)):
            is_known = _ANSWER.fullmatch(path) or _CODE.match(path)
            self._lost.append(Detail(path, _BEYOND if is_known else "is no known file of a session"))
        inputs = {"session": self._raw, "files": kept}
        try:
            check_value(inputs, max_bytes=MAX_INPUTS)
        except Refused as no:
            raise Refused(no.code, f"The session cannot be kept: {no.message}", _HINT, no.details) from None
        return Foreign(
            KIND,
            "aiwf_session",
            f"Session {session.session_id[:8]} of {KIND}, profile {session.profile}"[:200],
            "aiwf",
            self._root,
            inputs,
            phases,
            session.created_at,
            max(phases[-1].at, session.updated_at),
            sha256_of({path: hashlib.sha256(content).hexdigest() for path, content in self._files.items()}),
            "" if session.phase == "complete" else self._left_open(),
            tuple(self._statements(places)),
            tuple(self._lost),
        )

    def _places(self) -> list[tuple[int, str]]:
        """The phases that were reached, in order. Refuses what session.json names and no file shows."""
        session = self._session
        # The first iteration plans and generates, each later one revises.
        known = [(1, "plan"), (1, "generate"), (1, "review")]
        known += [
            (number, phase) for number in range(2, session.current_iteration + 1) for phase in ("revise", "review")
        ]
        if session.phase in {"error", "cancelled"}:
            seen = [index for index, place in enumerate(known) if self._is_there(place)]
            reached = known[: seen[-1] + 1] if seen else []
        else:
            last = (session.current_iteration, "review" if session.phase == "complete" else session.phase)
            if session.phase != "init" and last not in known:
                _refuse(
                    "/current_iteration", f"is {last[0]}, which has no {last[1]}", "an iteration that has it", last[0]
                )
            reached = known[: known.index(last) + 1] if last in known else []
        if not reached:
            _refuse(
                "/phase",
                "is one in which nothing was made yet: there is nothing to import",
                "plan or later",
                session.phase,
            )
        for place in reached if session.phase == "complete" else reached[:-1]:
            if not self._has_answer(place):
                self._refuse_missing(place)
        return reached

    def _refuse_missing(self, place: tuple[int, str]) -> None:
        path, session = _answer(*place), self._session
        raise Refused(
            "invalid_artifact",
            f"The session is refused: {path} is missing or empty, and session.json says that "
            f"it continued from there (phase {session.phase}, iteration {session.current_iteration}).",
            _HINT,
            (Detail(path, "is missing or empty", "the answer of the phase", None),),
        )

    def _worked_phases(self, places: list[tuple[int, str]]) -> list[ForeignPhase]:
        phases: list[ForeignPhase] = []
        at = self._session.created_at
        for number, phase in places:
            is_last = (number, phase) == places[-1]
            times = [
                artifact.created_at
                for artifact in self._session.artifacts
                if (artifact.iteration, artifact.phase) == (number, phase)
            ]
            at = max([at, *times])
            name = phase if number == 1 else f"{phase}_{number}"
            schema, content = self._content(number, phase)
            prompt = _prompt(number, phase)
            instructions = (
                f"${{inputs.files['{prompt}']}}" if prompt in self._files else f"ai-workflow-engine kept no {prompt}."
            )
            place = f"iteration-{number}" if schema == "file_bundle@1" else _answer(number, phase)
            phases.append(
                ForeignPhase(
                    name,
                    f"{phase.capitalize()}, iteration {number}",
                    instructions,
                    place,
                    at,
                    schema,
                    content,
                    not is_last or self._session.phase == "complete",
                )
            )
        return phases

    def _content(self, number: int, phase: str) -> tuple[str, dict[str, Any] | None]:
        answer = _answer(number, phase)
        body = self._text(answer) if answer in self._files else ""
        files: list[dict[str, str]] = []
        for path in self._code(number, phase):
            try:
                files.append({"path": path.partition("/")[2], "content": self._text(path)})
            except Refused:
                self._lost.append(Detail(path, "is no UTF-8 text"))
        if files:
            response = [{"path": answer.partition("/")[2], "content": body}] if body else []
            return "file_bundle@1", {"files": [*response, *files]}
        return "markdown_doc@1", {"front": {}, "body": body} if body.strip() else None

    def _statements(self, places: list[tuple[int, str]]) -> Iterator[str]:
        session = self._session
        stage = f"[{session.stage}]" if session.stage else ""
        yield f"phase {session.phase}{stage}, status {session.status}, iteration {session.current_iteration}"
        for name in ("plan_approved", "review_approved", "pending_approval"):
            if getattr(session, name):
                yield f"{name} is true (according to session.json; not decided here)"
        if session.ai_providers:
            yield "worked by " + ", ".join(f"{role} {name}" for role, name in sorted(session.ai_providers.items()))
        for name in ("last_error", "approval_feedback", "suggested_content"):
            if getattr(session, name):
                yield f"{name}: {getattr(session, name)[:300]}"
        review = next((place for place in reversed(places) if place[1] == "review"), None)
        yield from self._compare_files("plan_hash", session.plan_hash, "iteration-1/planning-response.md")
        yield from self._compare_files("plan_hash", session.plan_hash, "plan.md")
        yield from self._compare_files("standards_hash", session.standards_hash, "standards-bundle.md")
        if review is not None:
            yield from self._compare_files("review_hash", session.review_hash, _answer(*review))
        for index, artifact in enumerate(session.artifacts):
            path = artifact.path.replace("\\", "/")
            tried = (path, f"iteration-{artifact.iteration}/{path}", f"iteration-{artifact.iteration}/code/{path}")
            there = next((candidate for candidate in tried if candidate in self._files), None)
            if there is None:
                yield f"{pointer('artifacts', index)} names {path[:200]}, which is not there"
            else:
                yield from self._compare_files(f"{pointer('artifacts', index)}/sha256", artifact.sha256, there)

    def _compare_files(self, name: str, recorded: str | None, path: str) -> Iterator[str]:
        if recorded and path in self._files:
            actual = hashlib.sha256(self._files[path]).hexdigest()
            if actual != recorded.lower():
                yield f"{name} is {recorded[:12]}…, and {path} is {actual[:12]}…: it was changed after that"

    def _left_open(self) -> str:
        session = self._session
        if session.phase == "cancelled":
            return "it was cancelled in ai-workflow-engine"
        if session.last_error:
            return f"it stopped in ai-workflow-engine: {session.last_error}"
        return f"it was left open in ai-workflow-engine, in {session.phase}"

    def _has_answer(self, place: tuple[int, str]) -> bool:
        return bool(self._files.get(_answer(*place), b"").strip()) or bool(self._code(*place))

    def _is_there(self, place: tuple[int, str]) -> bool:
        return self._has_answer(place) or _prompt(*place) in self._files

    def _code(self, number: int, phase: str) -> list[str]:
        if phase not in _WRITES_CODE:
            return []
        return [path for path in sorted(self._files) if path.startswith(f"iteration-{number}/code/")]

    def _text(self, path: str) -> str:
        try:
            text = self._files[path].decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise Refused(
                "invalid_artifact",
                f"The session is refused: {path} is no UTF-8 text.",
                _HINT,
                (Detail(path, "is no UTF-8 text"),),
            )
        return text


def _session(content: bytes) -> tuple[Any, Session]:
    try:
        raw = parse_json(content)
        session = Session.model_validate_json(content)
    except Refused as no:
        raise Refused(no.code, f"{SESSION} is refused: {no.message}", _HINT, no.details) from None
    except ValidationError as error:
        faults = error.errors(include_url=False)
        details = tuple(
            Detail(pointer(*fault["loc"]), fault["msg"], _expectation(fault), repr(fault.get("input"))[:80])
            for fault in faults
        )
        raise Refused(
            "invalid_artifact", f"{SESSION} is refused at {details[0].path}: {details[0].message}", _HINT, details
        ) from None
    return raw, session


def _expectation(fault: Any) -> str:
    if fault["type"] != "extra_forbidden":
        return str(fault["type"]).replace("_", " ")
    model = SessionArtifact if fault["loc"][0] == "artifacts" else Session
    return f"one of {', '.join(model.model_fields)}"


def _refuse(place: str, message: str, expected: object, found: object) -> NoReturn:
    raise Refused(
        "invalid_artifact",
        f"{SESSION} is refused: {place} {message}.",
        _HINT,
        (Detail(place, message, expected, found),),
    )


def _answer(number: int, phase: str) -> str:
    return f"iteration-{number}/{_FILES[phase]}-response.md"


def _prompt(number: int, phase: str) -> str:
    return f"iteration-{number}/{_FILES[phase]}-prompt.md"
