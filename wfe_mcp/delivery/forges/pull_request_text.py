"""The text of a pull request: facts that the server made, then the words of agents and people, in blocks.

Rules:
1. Everything that the server did not write itself is in a fenced block that its own content cannot end, with hidden
   characters written out: it can forge no line of ours, no heading, no link, no image and no comment.
2. In such text nothing addresses anyone or anything: mentions, references to issues, quick actions, addresses, orders to run no
   CI and trailers such as ``Reviewed-by`` are broken up by an invisible space. A forge acts on some of them inside of blocks too, and
   in messages of commits.
3. ``Closes #n`` is written for one issue: that at the address which the work item came from, in this repository.
4. At most ``MAX_BYTES``: what is cut is named, and facts are never cut.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from wfe_mcp.core.texts import clean as written_out, one_line
from wfe_mcp.delivery.forges.protocol import ForgePlace, Text

MAX_BYTES = 60_000
TITLE_CHARS = 120
_CELL_CHARS = 100
_TABLE_BYTES, _BLOCK_BYTES = 12_000, 6_000
_FENCE = 10
"""The longest fence: longer runs of backticks in a text are broken up."""
_CUT = "\n\nThe text is cut here; the run has the whole."
_APART = "\u200b"

_ADDRESSES = (
    (re.compile(r"@(?=\w)"), f"@{_APART}"),
    (re.compile(r"([#!])(?=\d)"), rf"\1{_APART}"),
    (re.compile(r"://"), f":{_APART}//"),
    (re.compile(r"\bGH-(?=\d)", re.IGNORECASE), f"GH{_APART}-"),
    (re.compile(r"\b((?:clos|fix|resolv|implement)\w*[\s:]+[A-Z]\w*)-(?=\d)", re.IGNORECASE), rf"\1{_APART}-"),
    (re.compile(r"^([ \t]*)/(?=\w)", re.MULTILINE), rf"\1{_APART}/"),
    (re.compile(r"\[(?=(?:skip|no|ci|actions)[ -]+(?:skip|ci|actions)\])", re.IGNORECASE), f"[{_APART}"),
    (re.compile(r"\bskip-(?=checks:)", re.IGNORECASE), f"skip-{_APART}"),
    (
        re.compile(r"^([ \t]*(?!co-authored-|signed-off-)[a-z][a-z-]*-by)(?=:)", re.IGNORECASE | re.MULTILINE),
        rf"\1{_APART}",
    ),
)
"""What addresses a person, an issue, a project, commands the forge or its CI, or claims an approval; and the same broken up."""
_SIGNED = re.compile(r"(?:co-authored|signed-off)-by: [^<>@]+ <[^<>\s]+>", re.IGNORECASE)
_ACTS = re.compile(
    r"""
      \b (?:clos|fix|resolv|implement)\w* [\s:]+ (?:issues?\s+)? (?: \S*[\#!] | gh- | \S+/(?:issues|work_items|pull|merge_requests)/ ) \d
    | ^ \s* / \w
    | \[ (?:skip|no|ci|actions) [ -]+ (?:skip|ci|actions) \]
    | \b skip-checks:
    | ^ \s* (?!co-authored-|signed-off-) [a-z][a-z-]*-by :
    | ^ \s* wfe- (?:run|item) :
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A line of a message that closes an issue, commands the forge or its CI, or claims an approval or the work of a run."""


class Decision(NamedTuple):
    """One decision of a person. ``assurance``: how surely it was one."""

    phase: str
    approved: bool
    by: str
    assurance: str
    at: str
    comment: str = ""


class Check(NamedTuple):
    """One check that the server ran, and what it showed."""

    phase: str
    name: str
    verdict: str


class Artifact(NamedTuple):
    """A sealed artifact: its name and the SHA-256 of its content."""

    phase: str
    name: str
    sha256: str


class Proposal(NamedTuple):
    """What a pull request is written from. ``source``: the address that the work item came from."""

    run: str
    title: str
    commit: str
    tree: str
    base: str
    template: str = ""
    item: str = ""
    item_title: str = ""
    body: str = ""
    criteria: Sequence[str] = ()
    source: str = ""
    decisions: Sequence[Decision] = ()
    checks: Sequence[Check] = ()
    artifacts: Sequence[Artifact] = ()
    rules: Sequence[str] = ()


def pull_request_text(facts: Proposal, place: ForgePlace | None = None) -> Text:
    """Title and body of the pull request for ``facts``; ``place``: where it is opened."""
    tables = (
        _decisions(facts),
        _table("Checks run by the server", ("phase", "check", "result"), facts.checks),
        _table("Artifacts", ("phase", "artifact", "sha256"), facts.artifacts),
    )
    ours = "\n\n".join(filter(None, (_summary(facts, place), *tables)))
    comments = (
        f"{decision.phase}, {decision.by}: {decision.comment}" for decision in facts.decisions if decision.comment
    )
    short = [
        _block("Comments on decisions", "\n".join(comments), _BLOCK_BYTES),
        _block("Architecture decisions in force", "\n".join(facts.rules), _BLOCK_BYTES),
    ]
    room = MAX_BYTES - sum(len(section.encode()) + 2 for section in (ours, *short))
    parts = [ours, _block("What was asked for", _request_section(facts), room), *short]
    return Text(_title(facts), "\n\n".join(filter(None, parts)))


def merge_text(facts: Proposal, number: int) -> Text:
    """The message of the commit that a forge makes from the pull request."""
    trailers = [f"Wfe-Run: {facts.run}", *([f"Wfe-Item: {facts.item}"] if facts.item else [])]
    return Text(f"{_title(facts)} (PR {number})", "\n".join(trailers))


def issue_of(source: str, place: ForgePlace) -> int | None:
    """The number of the issue at the address ``source``, if it is in the repository of ``place``."""
    at = re.escape(f"https://{place.host}/{place.repository}")
    match = re.fullmatch(rf"{at}(?:/-)?/(?:issues|work_items)/([1-9]\d{{0,9}})/?", source, re.IGNORECASE)
    return int(match[1]) if match else None


def inert(text: str) -> str:
    """``text`` without hidden characters, and with everything that addresses someone or something broken up."""
    shown = written_out(text)
    for pattern, apart in _ADDRESSES:
        shown = pattern.sub(apart, shown)
    return shown


def inert_message(message: str) -> str:
    """The message of a commit that someone else wrote, ``inert`` but for the lines that say who had a part in it."""
    return "\n".join(line if _SIGNED.fullmatch(line) else inert(line) for line in message.splitlines())


def acting_lines(message: str) -> list[str]:
    """The lines of the message of a commit, with hidden characters written out, that close an issue, command the forge or its CI,
    claim an approval or the work of a run, or hide something.
    """
    lines = [(line, written_out(line)) for line in message.split("\n")]
    return [shown for line, shown in lines if shown != line or _ACTS.search(line)]


def _title(facts: Proposal) -> str:
    named = f"{facts.item}: {facts.item_title or facts.title}" if facts.item else facts.title
    line = inert(one_line(named)).strip()
    return line[: TITLE_CHARS - 1] + "…" if len(line) > TITLE_CHARS else line or facts.run


def _summary(facts: Proposal, place: ForgePlace | None) -> str:
    issue = issue_of(facts.source, place) if place is not None else None
    lines = [
        f"Run `{_cell(facts.run)}` of template `{_cell(facts.template)}` proposes commit `{_cell(facts.commit)}`, whose tree",
        f"`{_cell(facts.tree)}` was made from the approved files. Merge this head, or have another one approved.",
    ]
    return "\n".join(lines) + (f"\n\nCloses #{issue}" if issue else "")


def _decisions(facts: Proposal) -> str:
    rows = [
        (decision.phase, "approved" if decision.approved else "rejected", decision.by, decision.assurance, decision.at)
        for decision in facts.decisions
    ]
    return _table("Decisions", ("phase", "decision", "by", "assurance", "at"), rows)


def _request_section(facts: Proposal) -> str:
    criteria = [f"- {criterion}" for criterion in facts.criteria]
    return "\n".join(filter(None, (facts.item_title or facts.title, facts.body, *criteria)))


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of ours: each cell is code, so that a name in it is shown and not obeyed."""
    lines = [f"### {heading}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    size = 0
    for number, row in enumerate(rows):
        line = f"| {' | '.join(f'`{_cell(cell)}`' for cell in row)} |"
        size += len(line.encode()) + 1
        if size > _TABLE_BYTES:
            return "\n".join([*lines, "", f"{len(rows) - number} more are in the run."])
        lines.append(line)
    return "\n".join(lines) if rows else ""


def _cell(text: str) -> str:
    """Text inside of single backticks in a table."""
    line = inert(one_line(str(text))).replace("`", "'").replace("|", "/").strip() or "-"
    return line[: _CELL_CHARS - 1] + "…" if len(line) > _CELL_CHARS else line


def _block(heading: str, text: str, room: int) -> str:
    """A fenced block of at most ``room`` bytes, which no run of backticks in it ends."""
    if not text.strip():
        return ""
    shown = re.sub(f"(`{{{_FENCE - 1}}})(?=`)", rf"\1{_APART}", inert(text).strip("\n"))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    empty = f"### {heading}\n\n{fence}text\n\n{fence}"
    content, left = shown.encode(), room - len(empty) - len(_CUT)
    if len(content) <= left:
        return f"### {heading}\n\n{fence}text\n{shown}\n{fence}"
    return f"### {heading}\n\n{fence}text\n{content[:left].decode(errors='ignore')}\n{fence}{_CUT}"
