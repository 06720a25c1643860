"""Reviewers for a played template: two models on loopback, their keys, and the user's configuration that names them."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.testing.playground import Playground

KEY = "sk-canary-0123456789"
KEYS = {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}
"""The environment of a playground whose models are asked."""

_ROLES = {"reviewer": ("anthropic", "claude"), "second": ("openai", "gpt")}
_HOME = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA")


def opinion(verdict: str = "pass", **more: Any) -> Turn:
    """A turn that is an opinion."""
    return Turn(value={"verdict": verdict, "findings": [], "summary": f"I say {verdict}", **more})


@contextmanager
def reviewers(
    project: Playground, turns: Mapping[str, Sequence[Turn]] | None = None, *, roles: Sequence[str] = tuple(_ROLES)
) -> Generator[ModelServer]:
    """The models behind ``roles`` say ``turns`` (``claude``: reviewer, ``gpt``: second), then pass for ever.

    The user's configuration is that of this process: it lies in the playground's folder.
    """
    from wfe_mcp.workspace.system.location import user_config_file

    with pytest.MonkeyPatch.context() as patch, ModelServer(turns or {}, otherwise=opinion(), key=KEY) as models:
        for name in _HOME:
            patch.setenv(name, str(project.folder / "home"))
        tables = [
            f'[providers.anthropic]\nbase_url = "{models.origin}"',
            f'[providers.openai]\nbase_url = "{models.v1}"',
        ]
        for role in roles:
            provider, model = _ROLES[role]
            tables.append(f'[roles.{role}]\nprovider = "{provider}"\nmodel = "{model}"')
        file = user_config_file()
        assert Path(os.path.commonpath([file, project.folder])) == project.folder, (
            "the person's own file stays as it is"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(tables) + "\n", encoding="utf-8")
        project.trust()
        yield models


def asked_for(models: ModelServer, criteria: str) -> list[str]:
    """The models that were asked to judge by ``criteria``, in order."""
    first = criteria.splitlines()[0]
    return [asked.model for asked in models.asked if first in _texts(asked.body)]


def _texts(body: Any) -> str:
    """Every text of a request, as it was before it became JSON."""
    match body:
        case str():
            return body
        case dict():
            return "\n".join(_texts(each) for each in cast("dict[str, Any]", body).values())
        case list():
            return "\n".join(_texts(each) for each in cast("list[Any]", body))
        case _:
            return ""
