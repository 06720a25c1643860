"""Shipped templates and schemas, and the plug-ins of installed packages.

Rules:
1. Entry points are read only for a name that is not shipped, or when all are listed; the code behind one is loaded at
   its first use. A server that needs none loads none.
2. A name is ``namespace.name``, so that no package replaces a shipped item. A template has a plain name that is not
   shipped.
3. Entry points that break rule 2, and a second package with the same name, are ignored; ``plugin_faults`` lists them.
4. Packages are searched on Python's module path, but not in the folder the process was started in: ``python -m`` puts
   that first, and a project could place a package there.
"""

import functools
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

Group = Literal["artifact_schemas", "forges", "gates", "providers", "step_builtins", "templates"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""The entry-point groups, ``wfe_mcp.<group>``."""

_PREFIX = "wfe_mcp."
_PART = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_NAMESPACED = rf"{_PART}(?:\.{_PART})+"
_NAMES: Mapping[Group, tuple[str, str]] = {
    "artifact_schemas": (rf"{_NAMESPACED}@[1-9][0-9]{{0,3}}", "acme.ticket@1"),
    "forges": (_NAMESPACED, "acme.gitea"),
    "gates": (_NAMESPACED, "acme.no_todo"),
    "providers": (_NAMESPACED, "acme.models"),
    "step_builtins": (_NAMESPACED, "acme.greet"),
    "templates": (_PART, "acme_release"),
}
"""Group → the pattern of its names, and an example."""

_OURS = "wfe"


def shipped_folder(name: str) -> Path:
    """The folder ``templates`` or ``schemas``: the wheel's copy, else the checkout's."""
    package = Path(__file__).parent
    packaged = package / name
    return packaged if packaged.is_dir() else package.parent / name


class PlugInFault(Exception):
    """A plug-in cannot be used; the text says why and is shown to the user."""


@dataclass(frozen=True, slots=True)
class PlugIn:
    """One entry point of a package. ``package``: its name and version, as in ``acme-wfe 1.2``."""

    group: Group
    name: str
    package: str
    entry: "EntryPoint"

    def load(self) -> Any:
        """The object of the entry point. Raises PlugInFault for any exception of the package's code."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as fault:
            raise self.fault(f"{type(fault).__name__}: {fault}") from fault

    def fault(self, why: str) -> PlugInFault:
        """The fault ``why``, with the plug-in's name and package."""
        return PlugInFault(f"{self.name!r} of the package {self.package} cannot be used: {why}")


def plugins(group: Group) -> Mapping[str, PlugIn]:
    """The plug-ins of ``group`` by name, without loading them."""
    return _find_plugins(_places())[0][group]


def plugin_names() -> tuple[tuple[Group, str], ...]:
    """The group and name of every plug-in."""
    return tuple((group, name) for group, known in _find_plugins(_places())[0].items() for name in known)


def is_name_of(group: Group, name: str) -> bool:
    """True when ``name`` is a valid plug-in name in ``group``, without looking for one."""
    return re.fullmatch(_NAMES[group][0], name) is not None


def plugin_faults() -> tuple[str, ...]:
    """The ignored entry points, each with its reason."""
    return _find_plugins(_places())[1]


@functools.lru_cache(maxsize=4)  # the folder of the process may change
def _find_plugins(places: tuple[str, ...]) -> tuple[Mapping[Group, Mapping[str, PlugIn]], tuple[str, ...]]:
    plugins_by_group: dict[Group, dict[str, PlugIn]] = {group: {} for group in GROUPS}
    faults: list[str] = []
    for distribution in _distributions(places):
        for entry in distribution.entry_points:
            group = _group(entry.group)
            if group is None:
                continue
            package = f"{distribution.metadata['Name']} {distribution.version}"
            fault = _fault(group, entry.name, plugins_by_group[group].get(entry.name))
            if fault:
                faults.append(f"{entry.name!r} ({entry.group}) of the package {package} is ignored: {fault}")
            else:
                plugins_by_group[group][entry.name] = PlugIn(group, entry.name, package, entry)
    return {group: dict(sorted(known.items())) for group, known in plugins_by_group.items()}, tuple(sorted(faults))


def _places() -> tuple[str, ...]:
    """Python's module path, without the folder of the process (rule 4)."""
    return tuple(place for place in sys.path if place and not _is_here(place))


def _is_here(place: str) -> bool:
    try:
        return os.path.samefile(place, os.curdir)  # noqa: PTH121 - with Path this takes four times as long, on each call
    except OSError:  # nothing is there, or the folder was removed
        return False


def _distributions(places: tuple[str, ...]) -> "Iterator[Distribution]":
    """The installed packages, one per name: the first on the path is the one that Python imports. None without plug-ins."""
    # 30 ms, unless it is loaded already; starting, listing and reading shipped items does not need it.
    from importlib.metadata import distributions

    installed = list(distributions(path=list(places)))
    if not any(
        f"[{_PREFIX}" in (found_distribution.read_text("entry_points.txt") or "") for found_distribution in installed
    ):
        return  # as nearly always
    seen: dict[str, Distribution] = {}
    for distribution in installed:
        name = re.sub(r"[-_.]+", "-", _name(distribution)).lower()
        seen.setdefault(name, distribution)
    yield from (seen[name] for name in sorted(seen))


def _name(distribution: "Distribution") -> str:
    """Its name, from the head of its metadata: parsing the long description as well takes 2 ms per package."""
    head = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
    match = re.search(r"^Name:\s*(\S+)\s*$", head, re.MULTILINE)
    return match[1] if match else str(distribution.metadata["Name"])


def _group(name: str) -> Group | None:
    return next((group for group in GROUPS if name == f"{_PREFIX}{group}"), None)


def _fault(group: Group, name: str, before: PlugIn | None) -> str:
    """Why the name is ignored; empty when it is not."""
    form, example = _NAMES[group]
    if not re.fullmatch(form, name):
        return f"a name of this group looks like {example!r}; names without a namespace are reserved"
    if group == "templates" and (shipped_folder("templates") / name / "template.json").is_file():
        return "a template of this name is shipped"
    if group != "templates" and name.partition(".")[0].lower() == _OURS:
        return f"the namespace {_OURS!r} is ours"
    return "" if before is None else f"the package {before.package} provides one with this name already"
