"""``wfe-mcp ask``: a question to the assistant, which reads the record and changes nothing."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen

if TYPE_CHECKING:
    from wfe_mcp.views.answers.assistant import AssistantView

Question = Annotated[str, typer.Argument(metavar="QUESTION", help="About runs, work items, history or templates.")]


def ask(invocation: Invocation, question: Question) -> None:
    """Ask a model about runs, work items, history and templates.

    It reads the record and changes nothing; what it proposes is for you to run. The role `assistant` names the model, without it `default`.
    """
    from wfe_mcp.views.answers.assistant import AssistantView, assistant

    screen = invocation.screen
    lines = _Lines(screen)
    answer = assistant(invocation.engine, invocation.by, question, on_text=lines.take, on_read=lines.reads)
    lines.end()
    view = answer.view_as(AssistantView)
    invocation.render(answer, lambda shown: _render(shown, view, is_printed=lines.is_printed))


class _Lines:
    """Prints what the model says on a terminal, a line as soon as it is whole, and what it reads in between."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._rest, self.is_printed = screen, "", False

    def take(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split("\n")
        if self._screen.is_terminal:
            for line in whole:
                self._screen.print_quoted(line)
            self.is_printed = True

    def reads(self, what: str) -> None:
        self.end()
        if self._screen.is_terminal:
            self._screen.line(f"reads {what}", "dim")

    def end(self) -> None:
        if self._rest:
            self.take("\n")


def _render(screen: Screen, view: "AssistantView", *, is_printed: bool = False) -> None:
    if not is_printed and screen.is_terminal:
        screen.print_quoted(view.text)
    elif not is_printed:  # in a pipe no margin tells its lines from ours
        screen.lines(view.text, "  ")
    if view.why:
        screen.line(view.why, "yellow")
    if view.read:
        screen.line()
        screen.line("It read:", "bold")
        screen.table((), [(read.what, read.open) for read in view.read], "  ")
    if view.commands:
        screen.line()
        screen.line("It proposes, for you to run:", "bold")
        for command in view.commands:
            screen.line(f"  {command}")
    cost = "" if view.cost_usd is None else f", ${view.cost_usd:,.4f}"
    screen.line(f"{view.model}: {view.tokens:,} tokens{cost}", "dim")
