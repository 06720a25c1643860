"""The command line's help: commands in groups on one screen, and parameters that typer reads without pydantic."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

_WIDTH = 80


class _AsTyped:
    """Takes a text or a flag as it is. Typer would load pydantic to find that, for 65 ms of every command."""

    def coerce(self, value: Any, **_of: Any) -> Any:
        return value


def _plain(parameters: list[Any]) -> list[Any]:
    """``parameters``, those of texts and flags as plain ones."""
    for parameter in parameters:
        if getattr(getattr(parameter, "type_descriptor", None), "annotation", None) in {str, bool}:
            parameter.get_runtime_param = _AsTyped
    return parameters


class Command(TyperCommand):
    """A command whose texts and flags are taken as they were typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, ``--help`` too."""
        return _plain(super().get_params(ctx))

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence, whole: the list of its group wraps it."""
        return super().get_short_help_str(max(limit, len(self.help or "")))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments as the reference writes them: ``RUN [PHASE]``. Typer has braces around a required one, and two brackets."""
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        names = [
            str(argument.metavar or argument.name.upper()).replace("[", "").replace("]", "") for argument in arguments
        ]
        return [
            "[OPTIONS]",
            *(name if argument.required else f"[{name}]" for name, argument in zip(names, arguments, strict=True)),
        ]


class Group(TyperGroup):
    """A group whose texts and flags are taken as they were typed. The outermost one shows ``page`` as its help."""

    page: str = ""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, ``--help`` too."""
        return _plain(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page where there is one, else what typer writes."""
        if self.page:
            formatter.write(self.page)
        else:
            super().format_help(ctx, formatter)


def grouped_help(
    summary: str,
    groups: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    commands: Mapping[str, Callable[..., Any]],
    options: str,
) -> str:
    """The first page of help. ``groups``: title → (commands that are described, commands that are only named).

    A group without described commands is one line; the names that do not fit go on below.
    """
    wide = max(len(title) for title in groups) + 2
    lines = ["Usage: wfe-mcp <command> [options]", summary, ""]
    for title, (described, named) in groups.items():
        if not described:
            lines += _wrap_names(title.ljust(wide), named)
            continue
        lines.append(title)
        lines += [f"  {name:<9}{_first_line(commands[name])}" for name in described]
        lines += _wrap_names("  and      ", named) if named else []
    return "\n".join([*lines, "Options".ljust(wide) + options, "Each command has a --help of its own.", ""])


def _wrap_names(before: str, names: Sequence[str]) -> list[str]:
    lines = [before]
    for name in names:
        if len(lines[-1]) + len(name) > _WIDTH:
            lines.append(" " * len(before))
        lines[-1] += f"{name} "
    return [line.rstrip() for line in lines]


def _first_line(function: Callable[..., Any]) -> str:
    return inspect.getdoc(function).partition("\n")[0].removesuffix(".")  # pyright: ignore[reportOptionalMemberAccess] - a test holds that each has one
