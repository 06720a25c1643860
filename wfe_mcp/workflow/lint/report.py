"""The report of lint."""

from collections.abc import Mapping
from dataclasses import field

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail
from wfe_mcp.core.limits import ERRORS


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

    def warn(self, path: str, message: str) -> None:
        """Add a warning: it can run, but probably not as intended."""
        self.warnings.append(Detail(path, message))
