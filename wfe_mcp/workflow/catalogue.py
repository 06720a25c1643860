"""The templates that are available, by origin.

    shipped     templates/<name>/ of the package
    package     those of installed packages (entry points); never the name of a shipped one
    project     <root>/.wfe/templates/<name>/ or <name>.json; shadows a shipped one of the same name

Only ``read`` opens files, and it parses JSON only. ``lint`` checks a definition; the engine decides whether it may run
(trust).
"""

from collections.abc import Iterator
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.resources import PlugIn, PlugInFault, plugins, shipped_folder
from wfe_mcp.workflow.load import digest, load_definition

Origin = Literal["shipped", "package", "project"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition with prompts inlined, and the sha256 that names its version."""

    value: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A template on disk. ``path``: its folder or JSON file."""

    name: str
    origin: Origin
    path: Path

    def read(self) -> Definition:
        """The current definition. Refuses: invalid_template, also when it has another name; too_large."""
        return (_load_shipped if self.origin == "shipped" else _load_named)(self.name, self.path)


@dataclass(frozen=True, slots=True)
class PackageTemplate:
    """A template of an installed package: its entry point names the path of a folder or JSON file."""

    plugin: PlugIn

    @property
    def name(self) -> str:
        """The name of the entry point and of the template."""
        return self.plugin.name

    def read(self) -> Definition:
        """The definition. Refuses: unavailable when the package's code cannot be loaded, and as ``CatalogueEntry``."""
        try:
            path: object = self.plugin.load()
            if not isinstance(path, str | PathLike):
                raise self.plugin.fault("it must be the path of a folder with a template.json, or of a JSON file")
        except PlugInFault as fault:
            raise Refused(
                "unavailable", f"{fault}.", "Ask the user to fix or remove the package: wfe-mcp doctor"
            ) from fault
        return _load_named(self.name, Path(cast("str | PathLike[str]", path)))


def shipped_templates() -> tuple[CatalogueEntry, ...]:
    """The shipped templates, by name."""
    return _shipped_entries(shipped_folder("templates"))


def package_templates() -> tuple[PackageTemplate, ...]:
    """The templates of installed packages, by name."""
    return tuple(PackageTemplate(plugin) for plugin in plugins("templates").values())


def project_templates(root: Path) -> tuple[CatalogueEntry, ...]:
    """The templates of the project at ``root``, by name. They are used only once trusted."""
    return tuple(_entries(root / ".wfe" / "templates", "project"))


def _load_named(name: str, path: Path, *, is_ours: bool = False) -> Definition:
    value = load_definition(path, is_ours=is_ours)
    if value.get("name") != name:
        raise Refused(
            "invalid_template",
            f"The template in {path} has the name {value.get('name')!r}, expected {name!r}.",
            f"Rename the template to {name!r}, or its folder, file or entry point to the template's name.",
            (
                Detail(
                    "/name",
                    f"the name differs from that of its folder, file or entry point, {name!r}",
                    name,
                    value.get("name"),
                ),
            ),
        )
    return Definition(value, digest(value))


@cache
def _shipped_entries(folder: Path) -> tuple[CatalogueEntry, ...]:
    """Listed once, as ``_load_shipped`` reads them once: a process uses the files of the version that it runs."""
    return tuple(_entries(folder, "shipped"))


@cache
def _load_shipped(name: str, path: Path) -> Definition:
    """Read once: a process uses the files of the version that it runs."""
    return _load_named(name, path, is_ours=True)


def _entries(folder: Path, origin: Origin) -> Iterator[CatalogueEntry]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink():  # a link leads out of this folder
            continue
        if (path / "template.json").is_file():
            yield CatalogueEntry(path.name, origin, path)
        elif path.suffix in _READ and path.is_file():
            yield CatalogueEntry(path.stem, origin, path)


_READ = {".json", ".yaml", ".yml"}
"""What is taken for a template. One in YAML is listed, and refused with the reason: left out, its author would not learn why."""
