"""Collects what a command-line agent reports: text, tools, usage, errors and its end."""

from collections import deque
from collections.abc import Callable
from dataclasses import field
from typing import cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.agents.agent import (
    Agent,
    AgentRecord,
    AgentResult,
    AgentText,
    AgentUsage,
    Given,
    Speaks,
    ToolBegan,
    ToolDone,
    Trouble,
)
from wfe_mcp.providers.call import Listener, ToolResult, Usage

MAX_RESULT_CHARACTERS = 20_000
_MAX_TEXT_CHARACTERS = 2_000_000


@dataclass(slots=True)
class Transcript:
    """Reads the lines of one child, notifies the listener, and keeps the facts that determine how it ended."""

    agent: Agent
    listener: Listener
    clock: Callable[[], float]
    last_line_at: float = 0.0
    texts: deque[deque[str]] = field(default_factory=deque[deque[str]])
    """Each text in its pieces: an agent may print one word by word, which put together each time takes quadratic time."""
    kept_characters: int = 0
    running: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    tool_calls: int = 0
    usage: Usage = field(default_factory=lambda: Usage(requests=1))
    model: str = ""
    trouble: Trouble | None = None
    ended: AgentResult | None = None
    is_mid_message: bool = False

    def line(self, line: str) -> None:
        """Read one line of its output. A line that is no known record is ignored; the log holds it."""
        # Loaded with pydantic anyway; refuses deep nesting, where json.loads would need the stack.
        from pydantic_core import from_json

        self.last_line_at = self.clock()
        try:
            record = from_json(line, allow_inf_nan=False)  # a cost of NaN would spoil every sum
        except ValueError:
            return
        if isinstance(record, dict):
            for event in self.agent.records_of(cast("Given", record)):
                self._take(event)

    @property
    def answer(self) -> str:
        """Its answer, or its last text so far."""
        return (self.ended.text if self.ended else "") or ("".join(self.texts[-1]) if self.texts else "")

    @property
    def all_text(self) -> str:
        """All its text, with its answer at the end."""
        return "\n\n".join([*map("".join, self.texts), self.ended.text if self.ended else ""])

    def silent_s(self) -> float:
        """Seconds since its last line; 0 while one of its tools runs."""
        return 0.0 if self.running else self.clock() - self.last_line_at

    def close(self) -> None:
        """End the output: tools that still run count as not ended."""
        for call_id in [*self.running]:
            self._tool_done(ToolDone(call_id, "The tool had not ended when the agent did.", ok=False))

    def _take(self, event: AgentRecord) -> None:
        continues = self.is_mid_message
        self.is_mid_message = isinstance(event, AgentText)
        match event:
            case AgentText():
                self._take_text(event, continues)
            case ToolBegan():
                self._tool_began(event)
            case ToolDone():
                self._tool_done(event)
            case AgentUsage(usage):
                self.usage = usage
            case Speaks(model):
                self.model = model
            case Trouble():
                # The first one with a kind is the most precise: later ones often only report that the agent failed.
                if self.trouble is None or self.trouble.kind is None:
                    self.trouble = event
            case AgentResult():
                self.ended = event

    def _take_text(self, event: AgentText, continues: bool) -> None:
        if not event.text:
            return
        goes_on = event.continues and continues
        if not (goes_on and self.texts):
            self.texts.append(deque())
        self.texts[-1].append(event.text)
        self.kept_characters += len(event.text)
        while self.kept_characters > _MAX_TEXT_CHARACTERS and (len(self.texts) > 1 or len(self.texts[0]) > 1):
            self.kept_characters -= len(self.texts[0].popleft())
            if not self.texts[0]:
                self.texts.popleft()
        self.listener.said(event.text if goes_on or len(self.texts) == 1 else f"\n\n{event.text}")

    def _tool_began(self, event: ToolBegan) -> None:
        if event.id not in self.running:
            self.tool_calls += 1
            self.running[event.id] = (event.name, self.clock())
            self.listener.tool_started(event.id, event.name, event.given)

    def _tool_done(self, event: ToolDone) -> None:
        if event.began is not None:
            self._tool_began(event.began)
        name, began_at = self.running.pop(event.id, ("", 0.0))
        if name:
            text = event.text
            cut = text if len(text) <= MAX_RESULT_CHARACTERS else f"{text[:MAX_RESULT_CHARACTERS]}… [{len(text):,}]"
            self.listener.tool_ended(event.id, name, ToolResult(cut, event.ok), self.clock() - began_at)
