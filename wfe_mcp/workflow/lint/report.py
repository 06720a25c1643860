"""What does lint say of a template?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wfe_mcp.core.errors import Detail

__all__ = ["LintFindings", "LintReport", "ProjectNames", "Requires"]


@dataclass(frozen=True, slots=True)
class ProjectNames:
    """What the project's (and the user's) trusted configuration names.

    ``roles``: providers too, which fill a role of their name; one called ``default`` fills every other.
    ``tools``: those of each server that was asked; nothing is said of tools of the others.
    """

    checks: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    tools: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    context: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Requires:
    """What a template needs, sorted: checks, configured roles, MCP servers, context bundles, what installed packages must
    bring, and ``templates`` to run inside.
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

    ``not_yet``: those of the errors that name what this version cannot do yet; the author is not to blame.
    """

    errors: tuple[Detail, ...]
    requires: Requires
    warnings: tuple[Detail, ...] = ()
    not_yet: tuple[Detail, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a run can start from the template."""
        return not self.errors

    @property
    def faults(self) -> tuple[Detail, ...]:
        """The errors that the author can mend."""
        return tuple(detail for detail in self.errors if detail not in self.not_yet)


@dataclass(slots=True)
class LintFindings:
    """Where the rules put what they find."""

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
        """The template cannot run as it is."""
        self.errors.append(Detail(path, message, expected, got))

    def warn(self, path: str, message: str) -> None:
        """It can run, but probably not as meant."""
        self.warnings.append(Detail(path, message))
