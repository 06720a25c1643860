"""The report of lint.

Lint rules for the size of a definition, checked before all others.

One pass over the JSON counts what ``core/limits.py`` limits; a definition above a limit is refused without any other
check. So the other rules need not be safe for any size, only near-linear up to the limits.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import cast

from wfe_mcp.artifacts.weight import pattern_weight, patterns_of
from wfe_mcp.core import limits
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.limits import ERRORS
from wfe_mcp.workflow.faults import did_you_mean


class EnoughErrors(Exception):
    """More errors were found than lint lists; the rules stop."""


@dataclass(frozen=True, slots=True)
class ProjectNames:
    """The names in the project's and the user's trusted configuration.

    ``roles``: providers too, which fill a role of their name; one called ``default`` fills every other.
    ``tools``: by server, of the servers that were asked; tools of other servers are not checked.
    """

    checks: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    tools: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    context: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Requires:
    """What a template requires, sorted: checks, configured roles, MCP servers, context bundles, items of installed
    packages, and embedded ``templates``.
    """

    checks: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LintReport:
    """``ok`` when there are no errors. Pointers lead into the definition as written.

    ``not_yet``: the errors about features that this version lacks.
    """

    errors: tuple[Detail, ...]
    requires: Requires
    warnings: tuple[Detail, ...] = ()
    not_yet: tuple[Detail, ...] = ()

    @property
    def ok(self) -> bool:
        """True when a run can start from the template."""
        return not self.errors

    @property
    def faults(self) -> tuple[Detail, ...]:
        """The errors that the author can fix."""
        return tuple(detail for detail in self.errors if detail not in self.not_yet)


@dataclass(slots=True)
class LintFindings:
    """Collects the findings of the rules."""

    project: ProjectNames | None = None
    errors: list[Detail] = field(default_factory=list[Detail])
    warnings: list[Detail] = field(default_factory=list[Detail])
    checks: set[str] = field(default_factory=set[str])
    roles: set[str] = field(default_factory=set[str])
    servers: set[str] = field(default_factory=set[str])
    context: set[str] = field(default_factory=set[str])
    plugins: set[str] = field(default_factory=set[str])
    templates: set[str] = field(default_factory=set[str])

    def error(self, path: str, message: str, expected: object = None, got: object = None) -> None:
        """Add an error: the template cannot run."""
        self.errors.append(Detail(path, message, expected, got))
        if len(self.errors) > ERRORS.most:
            raise EnoughErrors

    def unknown(
        self, path: str, message: str, name: str, valid: Iterable[str], otherwise: str = "", got: str = ""
    ) -> None:
        """Add an error: ``name`` is none of ``valid``. It ends with the nearest of them, else with ``otherwise``."""
        names = list(valid)
        self.error(path, f"{message}{did_you_mean(name, names) or otherwise}", names, got or name)

    def warn(self, path: str, message: str) -> None:
        """Add a warning: it can run, but probably not as intended."""
        self.warnings.append(Detail(path, message))


_SCHEMA_KEYS = frozenset({"inputs", "schema"})
_VALUE_KEYS = frozenset({"params", "with", "outputs", "webhooks", "body", "headers"})
"""Keys of a template below which nothing is a phase."""

Limits = tuple[limits.Limit, ...]
OF_TEMPLATES: Limits = (
    limits.PHASES,
    limits.TEMPLATE_PARTS,
    limits.LOOP_DEPTH,
    limits.LOCKS,
    limits.EXPRESSIONS,
    limits.SCHEMAS,
    limits.REFERENCES,
    limits.PATTERNS,
)


@dataclass(slots=True)
class _Sizes:
    found: dict[limits.Limit, int] = field(default_factory=dict[limits.Limit, int])

    def add(self, limit: limits.Limit, count: int) -> None:
        self.found[limit] = self.found.get(limit, 0) + count


def size_faults(definition: object, allowed: Limits = OF_TEMPLATES) -> list[Detail]:
    """An error for each limit that ``definition`` exceeds. ``allowed``: the limits; a measurement raises them."""
    sizes = sizes_of(definition)
    most = dict(zip(OF_TEMPLATES, allowed, strict=True))
    return [
        Detail(
            _PLACES.get(limit, ""),
            f"the template {most[limit].fault(size)}. {limit.remedy}"[:-1],
            most[limit].most,
            size,
        )
        for limit, size in sizes.items()
        if size > most[limit].most
    ]


_PLACES = {limits.PHASES: "/phases", limits.LOOP_DEPTH: "/phases"}


def sizes_of(definition: object) -> dict[limits.Limit, int]:
    """What ``definition`` has of each thing that is limited in a template."""
    sizes = _Sizes(dict.fromkeys(OF_TEMPLATES, 0))
    # A list instead of recursion: the definition may be deeper than the stack. (value, loops around it, what it is)
    waiting: list[tuple[object, int, str]] = [(definition, 0, "template")]
    while waiting:
        value, depth, kind = waiting.pop()
        sizes.add(limits.TEMPLATE_PARTS, 1)
        if isinstance(value, str):
            sizes.add(limits.EXPRESSIONS, value.count("${") if kind != "schema" else 0)
        elif isinstance(value, dict):
            members = cast("dict[str, object]", value)
            _count(sizes, members, depth, kind)
            waiting += _members(members, depth, kind)
        elif isinstance(value, list):
            waiting += ((entry, depth, kind) for entry in cast("list[object]", value))
    return sizes.found


def _count(sizes: _Sizes, given: dict[str, object], depth: int, kind: str) -> None:
    if kind == "schema":
        sizes.add(limits.SCHEMAS, 1)
        sizes.add(limits.REFERENCES, ("$ref" in given) + ("$dynamicRef" in given))
        sizes.add(limits.PATTERNS, sum(map(pattern_weight, patterns_of(given))))
    elif kind == "template":
        sizes.add(limits.PHASES, _length(given.get("phases")))
        sizes.add(limits.LOCKS, _length(given.get("locks")))
        sizes.found[limits.LOOP_DEPTH] = max(sizes.found[limits.LOOP_DEPTH], depth)


def _members(given: dict[str, object], depth: int, kind: str) -> Iterator[tuple[object, int, str]]:
    for key, child in given.items():
        if kind != "template":
            yield child, depth, kind
        elif key in _SCHEMA_KEYS:
            yield child, depth, "schema"
        elif key in _VALUE_KEYS:
            yield child, depth, "value"
        else:
            yield child, depth + (key == "phases" and given.get("kind") == "loop"), "template"


def _length(value: object) -> int:
    return len(cast("list[object]", value)) if isinstance(value, list) else 0
